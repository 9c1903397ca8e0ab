"""What a pre-trained backbone sees in an image: the numbers behind Figures 1 and 2, computed on the CPU."""

def check(root, report):
    report(1, 1)

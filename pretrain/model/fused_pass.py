"""A ResNet's pass with fused norms: the same layers and tensors, fewer trips to memory."""

from __future__ import annotations

from typing import cast

from torch import Tensor
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock, Bottleneck


def fused_pass(resnet: ResNet, images: Tensor, groups: int, recompute: bool) -> Tensor:
    """The C5 map of (B, 3, H, W) images, with batch norms over each of ``groups`` parts of the batch.

    Args:
        resnet: in training.
        images: in channels_last.
        groups: divides B.
        recompute: work the inner norms' outputs out again in backward instead of keeping them: the same bits.
    """
    from pretrain.model.fused_norm import norm_act

    x = resnet.maxpool(norm_act(resnet.bn1, resnet.conv1(images), groups=groups))
    for layer in (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4):
        for block in layer:
            x = _block(cast(BasicBlock | Bottleneck, block), x, groups, recompute)
    return cast(Tensor, x)


def _block(block: BasicBlock | Bottleneck, x: Tensor, groups: int, recompute: bool) -> Tensor:
    """One residual block, basic or bottleneck: norms and ReLUs between its convolutions, the sum in the last."""
    from pretrain.model.fused_norm import norm_act, norm_act_conv

    shortcut = x
    if block.downsample is not None:
        convolution, norm = block.downsample
        shortcut = norm_act(norm, convolution(x), relu=False, groups=groups)
    last = 3 if isinstance(block, Bottleneck) else 2
    x = block.conv1(x)
    for number in range(1, last):
        norm, convolution = getattr(block, f"bn{number}"), getattr(block, f"conv{number + 1}")
        if recompute:
            x = norm_act_conv(norm, x, convolution, groups=groups)
        else:
            x = convolution(norm_act(norm, x, groups=groups))
    return norm_act(getattr(block, f"bn{last}"), x, shortcut=shortcut, groups=groups)

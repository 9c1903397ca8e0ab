"""The networks both sides of the harness build: names → torchvision modules with torchvision's tensor names.

``pretrain`` trains them, ``transfer`` loads them; one definition, so that no tensor is ever lost between the two.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from ground.networks import BackboneName


class NarrowResNet(ResNet):
    """A ResNet of basic blocks whose stage widths are ``width`` × (1, 2, 4, 8) instead of 64 × (1, 2, 4, 8).

    ``width`` 64 gives torchvision's network; 32 has a quarter of its arithmetic, for CPU-scale runs.
    """

    def __init__(self, layers: tuple[int, int, int, int], width: int, norm_layer: Callable[[int], nn.Module]) -> None:
        nn.Module.__init__(self)
        self._norm_layer = norm_layer
        self.inplanes, self.dilation, self.groups, self.base_width = width, 1, 1, 64
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm_layer(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(BasicBlock, width, layers[0])
        self.layer2 = self._make_layer(BasicBlock, width * 2, layers[1], stride=2)
        self.layer3 = self._make_layer(BasicBlock, width * 4, layers[2], stride=2)
        self.layer4 = self._make_layer(BasicBlock, width * 8, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Identity()


def build(
    name: BackboneName, norm_layer: Callable[[int], nn.Module] = nn.BatchNorm2d, *, zero_residuals: bool = False
) -> ResNet:
    """A ResNet without classifier, initialised with Kaiming-normal fan-out convolutions, BN weight 1 and bias 0.

    ``resnet50`` and ``resnet18`` are torchvision's (stride in the 3×3 convolution). With ``zero_residuals`` the last
    BN weight of every block starts at 0, so that every block starts as its shortcut (SlotCon, PixPro).
    """
    net: ResNet
    if name == "resnet50":
        net = ResNet(Bottleneck, [3, 4, 6, 3], norm_layer=norm_layer)
    elif name == "resnet18":
        net = ResNet(BasicBlock, [2, 2, 2, 2], norm_layer=norm_layer)
    else:
        net = NarrowResNet((1, 1, 1, 1), 32, norm_layer)
    net.fc = nn.Identity()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif zero_residuals and isinstance(module, BasicBlock | Bottleneck):
            last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
            nn.init.zeros_(last.weight)
    return net


def channels(name: BackboneName) -> tuple[int, int]:
    """Channels of (layer3, layer4): strides 16 and 32."""
    return {"resnet50": (1024, 2048), "resnet18": (256, 512), "resnet10_w32": (128, 256)}[name]

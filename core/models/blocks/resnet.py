"""ResNets for pictures and short videos, of any width, without the final pooling.

Blocks and names are torchvision's, so that its weights can be loaded: ``resnet18`` into depth 18 of ``ResNet2D``, ``r3d_18` into
depth 18 of ``ResNet3D`` (except the classifier ``fc``). torchvision's own classes have a fixed width, and no video network deeper
than 18.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

REPEATS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
EXPANSION = {10: 1, 18: 1, 50: 4, 101: 4}


class _Stages(nn.Module):
    """The attributes that ``_stack`` sets."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential


class ResNet2D(_Stages):
    """Pictures [B, channels, H, W] -> feature maps [B, 8 * width, H / 32, W / 32], rounded up; basic blocks only.

    Args:
        depth: 10 or 18.
    """

    def __init__(self, depth: int, channels: int = 3, width: int = 64) -> None:
        # Imported late: torchvision takes two seconds and 150 MB, and only one system needs it.
        from torchvision.models import resnet as pictures

        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        _stack(self, depth, width, pictures.BasicBlock, nn.Conv2d, nn.BatchNorm2d)
        self.features = 8 * width

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return maps


class ResNet3D(_Stages):
    """Videos [B, channels, T, H, W] -> feature maps [B, ``features``, T', H', W'], or logits [B, classes].

    Depths 10 and 18 begin like torchvision's ``r3d_18``: kernel 3 in time, no pooling, so H' = H / 16. Depths 50 and 101 are
    those of Hara et al. (CVPR 2018): kernel 7 in time, then pooling, bottlenecks, so H' = H / 32. All round up.

    Args:
        classes: if above 0, classify the mean over time and space.
    """

    def __init__(self, depth: int, channels: int = 3, width: int = 64, classes: int = 0) -> None:
        from torchvision.models.video import resnet as films

        super().__init__()
        deep = EXPANSION[depth] > 1
        kernel = 7 if deep else 3
        begin = nn.Conv3d(channels, width, (kernel, 7, 7), stride=(1, 2, 2), padding=(kernel // 2, 3, 3), bias=False)
        pool = [nn.MaxPool3d(3, stride=2, padding=1)] if deep else []
        self.stem = nn.Sequential(begin, nn.BatchNorm3d(width), nn.ReLU(inplace=True), *pool)
        kind = films.Bottleneck if deep else films.BasicBlock

        def block(inside: int, planes: int, stride: int, shortcut: nn.Module | None) -> nn.Module:
            made: nn.Module = kind(inside, planes, films.Conv3DSimple, stride, shortcut)
            return made

        _stack(self, depth, width, block, nn.Conv3d, nn.BatchNorm3d)
        self.features = 8 * width * EXPANSION[depth]
        self.halvings = 5 if deep else 4
        self.fc = nn.Linear(self.features, classes) if classes else None

    def side(self, side: int) -> int:
        """H' for pictures of ``side`` pixels."""
        return -(-side >> self.halvings)

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        if self.fc is None:
            return maps
        logits: Tensor = self.fc(maps.mean((2, 3, 4)))
        return logits


def _stack(
    trunk: nn.Module,
    depth: int,
    width: int,
    block: Callable[..., nn.Module],
    conv: type[nn.Conv2d] | type[nn.Conv3d],
    norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d],
) -> None:
    """Add the four stages to ``trunk``, with torchvision's initialisation of convolutions."""
    inside = width
    for stage, repeats in enumerate(REPEATS[depth]):
        planes, blocks = width * 2**stage, []
        outside = planes * EXPANSION[depth]
        for i in range(repeats):
            stride = 2 if stage and not i else 1
            shortcut = None
            if stride > 1 or inside != outside:
                shortcut = nn.Sequential(conv(inside, outside, 1, stride=stride, bias=False), norm(outside))
            blocks.append(block(inside, planes, stride, shortcut))
            inside = outside
        trunk.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
    for module in trunk.modules():
        if isinstance(module, conv):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

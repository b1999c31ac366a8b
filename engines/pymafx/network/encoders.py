"""Crops to feature pyramids: HRNet-W48 for the body, ResNet-50 with deconvolutions for hands and face.

Batch norms are folded into the convolutions (`compose.fold_batch_norms`), and the modules carry the checkpoint's
names, so that a folded checkpoint loads as it is. Every encoder maps (B, 3, 224, 224) to its three maps for
iterations 0, 1, 2, of 14, 28 and 56 pixels square.
"""

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

Pyramid = tuple[Tensor, Tensor, Tensor]


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size but for its stride."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; (B, channels, H, W) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels, 3)
        self.conv2 = conv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return (self.conv2(self.conv1(x).relu_()) + x).relu_()


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (with the stride), 1 x 1 around a shortcut; (B, inputs, H, W) to (B, 4 planes, H / s, W / s)."""

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv(inputs, planes, 1)
        self.conv2 = conv(planes, planes, 3, stride)
        self.conv3 = conv(planes, 4 * planes, 1)
        changes = stride > 1 or inputs != 4 * planes
        self.downsample = nn.Sequential(conv(inputs, 4 * planes, 1, stride)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = self.conv3(self.conv2(self.conv1(x).relu_()).relu_())
        return (y + self.downsample(x)).relu_()


class Fusion(nn.ModuleList):
    """What one branch of an HRNet module receives from all of them: a ModuleList over the sending branches."""

    def __init__(self, widths: list[int], to: int) -> None:
        super().__init__(_path(widths, sender, to) for sender in range(len(widths)))
        self.to = to

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Branch b is (B, widths[b], H / 2^b, W / 2^b); the sum has the receiver's shape."""
        total = branches[self.to]
        for sender, x in enumerate(branches):
            if sender < self.to:
                total = total + self[sender](x)
            elif sender > self.to:
                total = total + F.interpolate(self[sender](x), scale_factor=2.0 ** (sender - self.to))
        return total.relu()


def _path(widths: list[int], sender: int, to: int) -> nn.Module:
    """From branch `sender` to branch `to`, without the up-sampling."""
    if sender == to:
        return nn.Identity()
    if sender > to:
        return nn.Sequential(conv(widths[sender], widths[to], 1))
    steps = []
    for k in range(sender, to):
        last = k == to - 1
        step = conv(widths[sender], widths[to] if last else widths[sender], 3, 2)
        steps.append(nn.Sequential(step) if last else nn.Sequential(step, nn.ReLU(inplace=True)))
    return nn.Sequential(*steps)


class HRModule(nn.Module):
    """Parallel branches of four basic blocks, then the first `outputs` fusions."""

    def __init__(self, widths: list[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(w) for _ in range(4))) for w in widths)
        self.fuse_layers = nn.ModuleList(Fusion(widths, to) for to in range(outputs))

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Branch b is (B, widths[b], 56 / 2^b, 56 / 2^b), in and out."""
        deep = [branch(x) for branch, x in zip(self.branches, branches, strict=True)]
        return [fusion(deep) for fusion in self.fuse_layers]


class HRNet(nn.Module):
    """HRNet-W48 (arXiv 1908.07919): maps of 192, 96 and 48 channels, from the coarse branch to the fine."""

    CHANNELS = (192, 96, 48)
    WIDTHS = (48, 96, 192, 384)
    STAGES = ((2, 1), (3, 4), (4, 3))
    """Number, which is also its number of branches, and modules of each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv(3, 64, 3, 2)
        self.conv2 = conv(64, 64, 3, 2)
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(3)))
        widths = [256]
        for stage, modules in self.STAGES:
            grown = list(self.WIDTHS[:stage])
            setattr(self, f"transition{stage - 1}", _transition(widths, grown))
            # the coarsest branch of the very last module feeds nothing
            outputs = [3 if (stage, m) == (4, 2) else stage for m in range(modules)]
            setattr(self, f"stage{stage}", nn.ModuleList(HRModule(grown, n) for n in outputs))
            widths = grown

    def forward(self, crops: Tensor) -> Pyramid:
        """(B, 3, 224, 224) to (B, 192, 14, 14), (B, 96, 28, 28), (B, 48, 56, 56)."""
        x = self.conv2(self.conv1(crops).relu_()).relu_()
        branches = [self.layer1(x)]
        for stage, _ in self.STAGES:
            transition = getattr(self, f"transition{stage - 1}")
            branches = [step(branches[min(b, len(branches) - 1)]) for b, step in enumerate(transition)]
            for module in getattr(self, f"stage{stage}"):
                branches = module(branches)
        fine, middle, coarse = branches
        return coarse, middle, fine


def _transition(old: list[int], new: list[int]) -> nn.ModuleList:
    """One step per new branch: a change of width, nothing, or one more halving of the last branch."""
    steps: list[nn.Module] = []
    for b, width in enumerate(new):
        if b >= len(old):
            steps.append(nn.Sequential(nn.Sequential(conv(old[-1], width, 3, 2), nn.ReLU(inplace=True))))
        elif old[b] != width:
            steps.append(nn.Sequential(conv(old[b], width, 3), nn.ReLU(inplace=True)))
        else:
            steps.append(nn.Identity())
    return nn.ModuleList(steps)


class ResNetPyramid(nn.Module):
    """ResNet-50 (arXiv 1512.03385), then three deconvolutions that double the size: maps of 256 channels each."""

    CHANNELS = (256, 256, 256)
    LAYERS = ((64, 3), (128, 4), (256, 6), (512, 3))

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv(3, 64, 7, 2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for k, (planes, blocks) in enumerate(self.LAYERS):
            first = Bottleneck(inputs, planes, 1 if k == 0 else 2)
            inputs = 4 * planes
            rest = (Bottleneck(inputs, planes) for _ in range(blocks - 1))
            setattr(self, f"layer{k + 1}", nn.Sequential(first, *rest))
        # numbered as in the checkpoint, where a norm and an activation stand between
        self.deconv_layers = nn.ModuleDict(
            {str(3 * k): nn.ConvTranspose2d(width, 256, 4, 2, 1) for k, width in enumerate((2048, 256, 256))}
        )

    def forward(self, crops: Tensor) -> Pyramid:
        """(B, 3, 224, 224) to (B, 256, 14, 14), (B, 256, 28, 28), (B, 256, 56, 56)."""
        x = self.pool(self.conv1(crops).relu_())
        for k in range(len(self.LAYERS)):
            x = getattr(self, f"layer{k + 1}")(x)
        coarse, middle, fine = self.deconv_layers.values()
        x0 = coarse(x).relu_()
        x1 = middle(x0).relu_()
        return x0, x1, fine(x1).relu_()

"""The networks of the studies in PyTorch as their authors describe them, to be timed beside ours.

Modules are called as in the published files, so that they take the same weights. Each has a
``forward`` from samples, shape (N, samples), to embeddings, shape (N, dim). Needs torch and
torchlibrosa; Whisper's encoder is that of transformers.
"""

# ruff: noqa: D102, N812 - a class says what its `forward` computes; F is what PyTorch calls it

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 128, 256, 512, 1024, 2048)


class ConvBlock(nn.Module):
    """Two 3x3 convolutions of PANNs, then average pooling."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outer), nn.BatchNorm2d(outer)

    def forward(self, x: Tensor, pool: Any = 2) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        return F.avg_pool2d(F.relu_(self.bn2(self.conv2(x))), pool)


class Panns(nn.Module):
    """Front end and head that the PANNs share."""

    def __init__(self, rate: int, dim: int = 2048) -> None:
        from torchlibrosa.stft import LogmelFilterBank, Spectrogram

        super().__init__()
        n_fft, hop, top = (1024, 320, 14000) if rate == 32000 else (512, 160, 8000)
        self.spectrogram_extractor = Spectrogram(n_fft, hop, n_fft)
        self.logmel_extractor = LogmelFilterBank(
            sr=rate, n_fft=n_fft, n_mels=64, fmin=50, fmax=top, ref=1.0, amin=1e-10, top_db=None
        )
        self.bn0 = nn.BatchNorm2d(64)
        self.fc1, self.fc_audioset = nn.Linear(dim, dim), nn.Linear(dim, 527)

    def log_mel(self, samples: Tensor) -> Tensor:
        x = self.logmel_extractor(self.spectrogram_extractor(samples))
        return self.bn0(x.transpose(1, 3)).transpose(1, 3)

    def head(self, x: Tensor) -> Tensor:
        x = x.mean(dim=3)
        return F.relu_(self.fc1(x.amax(dim=2) + x.mean(dim=2)))


class Cnn14(Panns):
    """CNN14."""

    def __init__(self, rate: int = 32000) -> None:
        super().__init__(rate)
        for n, (inner, outer) in enumerate(zip((1, *WIDTHS), WIDTHS, strict=False), 1):
            setattr(self, f"conv_block{n}", ConvBlock(inner, outer))

    def forward(self, samples: Tensor) -> Tensor:
        x = self.log_mel(samples)
        for n in range(1, 7):
            x = getattr(self, f"conv_block{n}")(x, 1 if n == 6 else 2)
        return self.head(x)


class Cnn14At16k(Cnn14):
    """CNN14 at 16 kHz."""

    def __init__(self) -> None:
        super().__init__(16000)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut; the size is halved by a pooling before them."""

    def __init__(self, inner: int, outer: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        if halve:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(2), nn.Conv2d(inner, outer, 1, bias=False), nn.BatchNorm2d(outer)
            )

    def forward(self, x: Tensor) -> Tensor:
        beside = self.downsample(x) if self.halve else x
        x = F.avg_pool2d(x, 2) if self.halve else x
        x = self.bn2(self.conv2(F.relu_(self.bn1(self.conv1(x)))))
        return F.relu_(x + beside)


class ResNet38(Panns):
    """ResNet38 of PANNs."""

    def __init__(self) -> None:
        super().__init__(32000)
        self.conv_block1, self.conv_block_after1 = ConvBlock(1, 64), ConvBlock(512, 2048)
        self.resnet = nn.Module()
        inner = 64
        for n, (width, depth) in enumerate(zip(WIDTHS[:4], (3, 4, 6, 3), strict=True), 1):
            blocks = [
                BasicBlock(width if k else inner, width, halve=not k and n > 1)
                for k in range(depth)
            ]
            setattr(self.resnet, f"layer{n}", nn.Sequential(*blocks))
            inner = width

    def forward(self, samples: Tensor) -> Tensor:
        x = self.conv_block1(self.log_mel(samples))
        for n in range(1, 5):
            x = getattr(self.resnet, f"layer{n}")(x)
        return self.head(self.conv_block_after1(F.avg_pool2d(x, 2), 1))


class WaveBlock(nn.Module):
    """Two convolutions over time, the second dilated, then max pooling."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inner, outer, 3, padding=1, bias=False)
        self.conv2 = nn.Conv1d(outer, outer, 3, padding=2, dilation=2, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm1d(outer), nn.BatchNorm1d(outer)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        return F.max_pool1d(F.relu_(self.bn2(self.conv2(x))), 4)


class Wavegram(Cnn14):
    """Wavegram-Logmel-CNN14."""

    def __init__(self) -> None:
        super().__init__()
        self.pre_conv0 = nn.Conv1d(1, 64, 11, stride=5, padding=5, bias=False)
        self.pre_bn0 = nn.BatchNorm1d(64)
        self.pre_block1, self.pre_block2 = WaveBlock(64, 64), WaveBlock(64, 128)
        self.pre_block3, self.pre_block4 = WaveBlock(128, 128), ConvBlock(4, 64)
        self.conv_block2 = ConvBlock(128, 128)

    def forward(self, samples: Tensor) -> Tensor:
        wave = F.relu_(self.pre_bn0(self.pre_conv0(samples[:, None])))
        wave = self.pre_block3(self.pre_block2(self.pre_block1(wave)))
        wave = wave.reshape(len(wave), 4, 32, -1).transpose(2, 3)
        x = self.conv_block1(self.log_mel(samples))
        x = torch.cat((x, self.pre_block4(wave, (2, 1))), dim=1)
        for n in range(2, 7):
            x = getattr(self, f"conv_block{n}")(x, 1 if n == 6 else 2)
        return self.head(x)


class MobileNetV1(Panns):
    """MobileNetV1 of PANNs, which pools where others stride."""

    def __init__(self) -> None:
        super().__init__(32000, 1024)
        outer = (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
        halve = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
        blocks = [self._block(1, 32, 2, groups=1)]
        for inner, out, stride in zip((32, *outer), outer, halve, strict=False):
            apart = self._block(inner, inner, stride, groups=inner)
            point = [nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(True)]
            blocks.append([*apart, *point])
        self.features = nn.Sequential(*(nn.Sequential(*block) for block in blocks))

    @staticmethod
    def _block(inner: int, outer: int, stride: int, groups: int) -> list[nn.Module]:
        conv = nn.Conv2d(inner, outer, 3, padding=1, groups=groups, bias=False)
        return [conv, nn.AvgPool2d(stride), nn.BatchNorm2d(outer), nn.ReLU(True)]

    def forward(self, samples: Tensor) -> Tensor:
        return self.head(self.features(self.log_mel(samples)))


class OpenL3(nn.Module):
    """OpenL3 on the spectrograms of its windows, shape (N, bands, frames), which ours makes."""

    def __init__(self, pool: tuple[int, int]) -> None:
        super().__init__()
        self.pool = pool
        self.input_bn = nn.BatchNorm2d(1, eps=1e-3)
        inner = 1
        for n, width in enumerate(WIDTHS[:4], 1):
            for part in "ab":
                name = "audio_embedding_layer" if (n, part) == (4, "b") else f"conv{n}{part}"
                setattr(self, name, nn.Conv2d(inner, width, 3, padding=1))
                if name != "audio_embedding_layer":
                    setattr(self, f"bn{n}{part}", nn.BatchNorm2d(width, eps=1e-3))
                inner = width

    def forward(self, images: Tensor) -> Tensor:
        x = self.input_bn(images[:, None])
        for n in range(1, 5):
            for part in "ab" if n < 4 else "a":
                x = F.relu_(getattr(self, f"bn{n}{part}")(getattr(self, f"conv{n}{part}")(x)))
            x = F.max_pool2d(x, 2) if n < 4 else x
        return F.max_pool2d(self.audio_embedding_layer(x), self.pool).flatten(1)


class Bottleneck(nn.Module):
    """A block of three convolutions, 1x1, 3x3 and 1x1, beside a shortcut.

    ResNeXt-50 has 32 groups of the second, and strides there; ResNet50 as Keras has it one group of
    half the width, strides in the first, and biases.
    """

    def __init__(
        self, inner: int, outer: int, stride: int, *, first: bool, groups: int = 32
    ) -> None:
        super().__init__()
        plain = groups == 1
        width = outer // 4 if plain else outer // 2
        before, within = (stride, 1) if plain else (1, stride)
        self.conv1 = nn.Conv2d(inner, width, 1, before, bias=plain)
        self.conv2 = nn.Conv2d(width, width, 3, within, 1, groups=groups, bias=plain)
        self.conv3 = nn.Conv2d(width, outer, 1, bias=plain)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.bn3 = nn.BatchNorm2d(outer)
        self.downsample = None
        if first:
            self.downsample = nn.Sequential(
                nn.Conv2d(inner, outer, 1, stride, bias=plain), nn.BatchNorm2d(outer)
            )

    def forward(self, x: Tensor) -> Tensor:
        beside = x if self.downsample is None else self.downsample(x)
        x = F.relu_(self.bn1(self.conv1(x)))
        x = F.relu_(self.bn2(self.conv2(x)))
        return F.relu_(self.bn3(self.conv3(x)) + beside)


class Attention(nn.Module):
    """A mask in (0, 1) from what goes into a stage, of the size of what comes out."""

    def __init__(self, inner: int, outer: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        around = (kernel[0] // 2, kernel[1] // 2)
        self.conv_depth = nn.Conv2d(inner, inner, kernel, padding=around, groups=inner)
        self.conv_point = nn.Conv2d(inner, outer, 1)
        self.bn = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor, size: Any) -> Tensor:
        x = F.adaptive_max_pool2d(x, size)
        return torch.sigmoid(self.bn(self.conv_point(self.conv_depth(x))))


class Fbsp(nn.Module):
    """Complex frequency B-spline wavelets."""

    def __init__(self, n: int = 1025) -> None:
        super().__init__()
        self.m, self.fb = nn.Parameter(torch.zeros(n)), nn.Parameter(torch.ones(n))
        self.fc = nn.Parameter(torch.arange(n).float())

    def filters(self) -> Tensor:
        t = math.pi * torch.linspace(-1, 1, 2048)[None] + 1e-8
        m, fb, fc = self.m[:, None], self.fb[:, None], self.fc[:, None]
        a = fb * t / (m + 1e-8)
        s = torch.sin(a) / a
        power = torch.abs(s) ** m
        turned = torch.where(s < 0, math.pi * m, torch.zeros(()))
        envelope = torch.sqrt(fb) * power / math.sqrt(2048)
        return torch.stack(
            [envelope * torch.cos(turned - fc * t), envelope * torch.sin(turned - fc * t)]
        )


class EsresNextFbsp(nn.Module):
    """ESResNeXt-fbsp on samples times 32768."""

    window: Tensor

    def __init__(self, n_classes: int) -> None:
        from scipy.signal.windows import blackmanharris

        super().__init__()
        window = blackmanharris(1654, sym=False)
        self.register_buffer("window", torch.tensor(window).float(), persistent=False)
        self.fbsp = Fbsp()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inner, outer = 64, 256
        for n, depth in enumerate((3, 4, 6, 3), 1):
            blocks = [
                Bottleneck(outer if k else inner, outer, 1 if k or n == 1 else 2, first=not k)
                for k in range(depth)
            ]
            setattr(self, f"layer{n}", nn.Sequential(*blocks))
            setattr(self, f"att{n}", Attention(inner, outer, (3, 1) if n % 2 else (1, 5)))
            inner, outer = outer, 2 * outer
        self.att5 = Attention(2048, 2048, (3, 5))
        self.fc = nn.Linear(2048, n_classes)

    def image(self, samples: Tensor) -> Tensor:
        x = (samples * 32768 + 32768) * 2 / 65535 - 1
        n = x.shape[1]
        frames = 1 + math.ceil(max(0, n - 1654) / 561)
        lack = (frames - 1) * 561 + 1654 - n
        x = F.pad(x, (lack // 2, lack - lack // 2)).unfold(1, 1654, 561) * self.window
        spectrum = F.pad(x, (197, 197)) @ self.fbsp.filters().transpose(1, 2)[:, None]
        power = spectrum.square().sum(dim=0)[..., :1023]
        db = 10 * torch.log10(torch.where(power > 0, power, 1e-18))
        return db.transpose(1, 2).reshape(len(db), 3, 341, -1)

    def forward(self, samples: Tensor) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(self.image(samples))))
        x = F.max_pool2d(x, 3, 2, 1)
        for n in range(1, 5):
            made = getattr(self, f"layer{n}")(x)
            x = made * getattr(self, f"att{n}")(x, made.shape[2:])
        return (x.mean(dim=(2, 3), keepdim=True) * self.att5(x, 1)).flatten(1)


class AudioClip(nn.Module):
    """The audio branch of AudioCLIP, whose classes are the space that it shares with texts."""

    def __init__(self) -> None:
        super().__init__()
        self.audio = EsresNextFbsp(1024)

    def forward(self, samples: Tensor) -> Tensor:
        return self.audio.fc(self.audio(samples))


class ResNet50(nn.Module):
    """ResNet50 on images of one channel, shape (N, 1, bands, frames)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 64, 7, 2, 3), nn.BatchNorm2d(64)
        self.layers = nn.Sequential()
        inner, outer = 64, 256
        for n, depth in enumerate((3, 4, 6, 3)):
            for k in range(depth):
                stride = 1 if k or not n else 2
                self.layers.append(Bottleneck(inner, outer, stride, first=not k, groups=1))
                inner = outer
            outer *= 2

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu_(self.bn1(self.conv1(images))), 3, 2, 1)
        return self.layers(x).mean(dim=(2, 3))


def networks() -> dict[str, Any]:
    """What makes each network, by the name of our backbone."""
    return {
        "panns_cnn14": Cnn14,
        "panns_cnn14_16k": Cnn14At16k,
        "panns_resnet38": ResNet38,
        "panns_wavegram": Wavegram,
        "panns_mobilenet_v1": MobileNetV1,
        "openl3_linear": lambda: OpenL3((32, 24)),
        "openl3_mel128": lambda: OpenL3((16, 24)),
        "openl3_mel256": lambda: OpenL3((32, 24)),
        "esresnext_fbsp": lambda: EsresNextFbsp(527),
        "audioclip": AudioClip,
        "whisper_tiny": lambda: whisper(384, 4, 6),
        "whisper_base": lambda: whisper(512, 6, 8),
        "resnet50_mel": ResNet50,
    }


def whisper(width: int, depth: int, heads: int) -> nn.Module:
    """Whisper's encoder on log-mel spectrograms, shape (N, 80, 3000), pooled."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = WhisperConfig(
                d_model=width,
                encoder_layers=depth,
                encoder_attention_heads=heads,
                encoder_ffn_dim=4 * width,
            )
            self.encoder = WhisperEncoder(config)

        def forward(self, mel: Tensor) -> Tensor:
            return self.encoder(mel).last_hidden_state[:, :250].mean(dim=1)

    return Pooled()

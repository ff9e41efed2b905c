"""ResNet50, trained on photographs, on spectrograms as images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from faunashot.backbones._keras import PACKAGES, Encoder, KerasBackbone
from faunashot.backbones._options import window_options
from faunashot.backbones.base import Card
from faunashot.frontends._grey_image import WINDOW_S, GreyImage
from faunashot.weights.files import WeightsFile
from faunashot.weights.hdf5 import by_position
from faunashot.weights.tensors import Tensors

FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
FIRST = "conv1_conv/kernel"
STAGES = ("conv1_", "conv2_", "conv3_", "conv4_", "conv5_")


class ResNet50(KerasBackbone):
    """The residual network of 50 layers that Keras has, 24 million parameters, from ImageNet.

    Its first layer reads one channel in place of three: its kernels are summed over them, so that
    a grey image gives what it gave in colour. Colours themselves it no longer knows.

    Parameters
    ----------
    hop_s : float
        Step between windows of 5 s, in seconds.
    weights : str
        A file of the same tensors in place of the published one.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun. Deep residual learning for image recognition. CVPR 2016.
    """

    Options: ClassVar = window_options(WINDOW_S)

    published = WeightsFile(
        FILE,
        f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{FILE}",
        "md5:4d473c1dd8becc155b73f8504c6f6626",
    )
    layers: ClassVar = {"embedding": 2048}
    front_end_class: ClassVar[type[GreyImage]]
    batch_size = 8

    @classmethod
    def encoder(cls, precision: str) -> Encoder:
        """The network from images, (N, frames, bands), to embeddings; parts are its five stages."""
        from keras import Input, applications, layers

        frames, bands = cls.front_end_class.shape
        with _dtype_policy(precision):
            inputs = Input((frames, bands), name="image")
            upright = layers.Reshape((bands, frames, 1))(layers.Permute((2, 1))(inputs))
            network = applications.ResNet50(
                include_top=False, weights=None, input_tensor=upright, pooling="avg"
            )
        embedding = layers.Activation("linear", dtype="float32", name="embedding")(network.output)
        blocks: list[dict[str, Any]] = [{} for _ in STAGES]
        for layer in network.layers:
            for variable in layer.weights:
                stage = STAGES.index(layer.name[: len(STAGES[0])])
                blocks[stage][f"{layer.name}/{variable.name}"] = variable
        return Encoder(inputs, {"embedding": embedding}, blocks)

    @classmethod
    def arranged(cls, tensors: Tensors, variables: Mapping[str, Any]) -> Tensors:
        """Tensors by our names, the first kernel summed over the channels of a photograph."""
        layers = list(dict.fromkeys(n.partition("/")[0] for n in variables if n.startswith(STAGES)))
        found = by_position(tensors, layers)
        first = found.get(FIRST)
        if first is None or first.ndim != 4:
            return found
        return {**found, FIRST: first.sum(axis=2, keepdims=True)}


def resnet50_card(name: str) -> Card:
    """The card of the network under the name of a backbone."""
    return Card(
        name=name,
        version="1",
        licence="MIT",
        citation=(
            "K. He, X. Zhang, S. Ren, J. Sun. Deep residual learning for image recognition. "
            "CVPR 2016."
        ),
        source="https://keras.io/api/applications/resnet/",
        trained_on="ImageNet: photographs of a thousand classes, and no sound",
        packages=PACKAGES,
    )


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Layers that are made meanwhile have this policy: those of a ready network take none."""
    from keras import config

    before = config.dtype_policy()
    config.set_dtype_policy(name)
    try:
        yield
    finally:
        config.set_dtype_policy(before)

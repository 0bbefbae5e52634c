"""Loss on documents that are never trained on, for all of them and by domain."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from trainer.model import Qwen2
from trainer.packing import Documents, held_out_sequences


@dataclass(frozen=True)
class HeldOutLoss:
    """Loss on the held-out documents, or on those of one domain."""

    tokens: int
    """Targets: the documents' tokens and one EOS each."""
    n_bytes: int
    """UTF-8 bytes of the documents' texts."""
    loss: float
    """Mean cross-entropy in nats a token."""
    bits_per_byte: float
    """Total cross-entropy in bits over n_bytes: comparable between tokenizers."""


def precision(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 matrix products on CUDA, float32 on the CPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


NO_DOMAIN = "(none)"  # what a domain without a name is reported as


class HeldOut:
    """The held-out documents as tensors, and the losses on them."""

    def __init__(
        self, documents: Documents, sequence_length: int, batch_size: int, device: torch.device
    ) -> None:
        self.documents, self.device, self.size = documents, device, batch_size
        inputs, targets, owner = held_out_sequences(documents, sequence_length)
        self.inputs, self.targets = torch.from_numpy(inputs), torch.from_numpy(targets)
        real = owner >= 0
        self.real, self.domain = real, documents.domains[owner[real]]

    @torch.no_grad()
    def evaluate(self, model: Qwen2) -> dict[str, HeldOutLoss]:
        """Losses by domain; "" stands for all documents."""
        pieces = []
        with precision(self.device):
            for x, y in zip(
                self.inputs.split(self.size), self.targets.split(self.size), strict=True
            ):
                pieces.append(model(x.to(self.device), y.to(self.device)).double().cpu().numpy())
        nats = np.concatenate(pieces)[self.real]
        names = self.documents.domain_names
        count = np.bincount(self.domain, minlength=len(names))
        total = np.bincount(self.domain, weights=nats, minlength=len(names))
        n_bytes = np.bincount(
            self.documents.domains, weights=self.documents.n_bytes, minlength=len(names)
        )
        losses = {"": _loss(len(nats), n_bytes.sum(), nats.sum())}
        for i in np.flatnonzero(count):
            losses[names[i] or NO_DOMAIN] = _loss(count[i], n_bytes[i], total[i])
        return losses


def _loss(tokens: int, n_bytes: float, nats: float) -> HeldOutLoss:
    bits_per_byte = nats / math.log(2) / n_bytes
    return HeldOutLoss(int(tokens), int(n_bytes), float(nats / tokens), float(bits_per_byte))

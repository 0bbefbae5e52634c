"""A trained model in Hugging Face format: `config.json` and `model.safetensors`.

The safetensors format (eight bytes of header length, a JSON header, the raw tensors) is written
here by hand, so that a bare machine needs no package for it.
"""

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer.model import ModelConfig, Qwen2

_DTYPE_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_DTYPES = {name: dtype for dtype, name in _DTYPE_NAMES.items()}


def hugging_face_config(config: ModelConfig, eos: int, dtype: str = "float32") -> dict[str, Any]:
    """The `config.json` of `Qwen2ForCausalLM`.

    The rotary base stands twice: transformers 5 reads `rope_parameters`, version 4 `rope_theta`.
    """
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "dtype": dtype,
        "eos_token_id": eos,
        "hidden_act": "silu",
        "hidden_size": config.width,
        "initializer_range": 0.02,
        "intermediate_size": config.mlp_width,
        "max_position_embeddings": config.max_length,
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        "rms_norm_eps": config.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_base},
        "rope_theta": config.rope_base,
        "tie_word_embeddings": config.tied,
        "torch_dtype": dtype,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": config.vocabulary_size,
    }


def hugging_face_state(model: nn.Module, tied: bool = False) -> dict[str, Tensor]:
    """The weights under Hugging Face's names, on the CPU; a tied output matrix is left out."""
    state = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    if tied:
        del state["lm_head.weight"]
    return state


def write_safetensors(path: str | os.PathLike[str], state: dict[str, Tensor]) -> None:
    """Write tensors (float32, bfloat16 or float16) in safetensors format, sorted by name."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name in sorted(state):
        tensor = state[name]
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, position + size],
        }
        position += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with Path(path).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(state):
            file.write(state[name].reshape(-1).view(torch.uint8).numpy().tobytes())


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as float32. Raises ValueError when it is none, or holds
    another type of number."""
    with Path(path).open("rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        except (struct.error, ValueError, OverflowError, MemoryError) as error:
            raise ValueError(f"{path}: no safetensors file ({error})") from error
        header.pop("__metadata__", None)
        start = file.tell()
        state = {}
        for name, about in header.items():
            if about["dtype"] not in _DTYPES:
                raise ValueError(f"{path}: {name} is {about['dtype']}; known: {', '.join(_DTYPES)}")
            begin, end = about["data_offsets"]
            file.seek(start + begin)
            raw = np.frombuffer(bytearray(file.read(end - begin)), np.uint8)
            tensor = torch.from_numpy(raw).view(_DTYPES[about["dtype"]])
            state[name] = tensor.reshape(about["shape"]).float()
    return state


def write_model(
    directory: str | os.PathLike[str], config: dict[str, Any], state: dict[str, Tensor]
) -> Path:
    """Write `config.json` and `model.safetensors`, for transformers' `from_pretrained`."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_safetensors(folder / "model.safetensors", state)
    return folder


def export(model: Qwen2, directory: str | os.PathLike[str], eos: int) -> Path:
    """Write a language model in Hugging Face format."""
    config = hugging_face_config(model.config, eos)
    return write_model(directory, config, hugging_face_state(model, model.config.tied))

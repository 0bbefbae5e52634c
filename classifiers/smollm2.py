"""Language models from GGUF files as Hugging Face folders, which every judge engine can read.

Written for SmolLM2-135M-Instruct (arXiv 2502.02737), whose weights come as GGUF in a package; it
works for every architecture that transformers reads from GGUF.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Writes the model in ``gguf`` to ``folder``: bfloat16 safetensors, config, tokenizer.

    The same file and the same version of transformers give the same bytes. Quantized weights are
    expanded; nothing is gained or lost in precision beyond bfloat16. Raises ValueError when the
    file is no GGUF file.
    """
    with gguf.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError(
                f"{gguf.name} does not start with GGUF. Give a GGUF file, or the folder of a"
                " Hugging Face model (config.json, *.safetensors, tokenizer.json)."
            )
    logging.disable_progress_bar()
    place, name = str(gguf.parent), gguf.name
    tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=name)
    # float32: the dequantized values; rounded to bfloat16 once, below
    with contextlib.redirect_stderr(io.StringIO()):  # a progress bar that no setting turns off
        packed = AutoModelForCausalLM.from_pretrained(place, gguf_file=name, dtype=torch.float32)
    config = packed.config
    # save_pretrained refuses a config that still says "quantized", although the weights are not
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config._name_or_path = ""
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes 0600, which other accounts of a cluster cannot read

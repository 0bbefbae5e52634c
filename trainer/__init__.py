"""The compact trainer: reads Arrow shards; imports torch, numpy, pyarrow and the standard library.

* :mod:`trainer.shards`: the shard format, its writer and its zero-copy reader
* :mod:`trainer.packing`: the order of documents, the held-out split, packed sequences
* :mod:`trainer.model`: the Qwen2 architecture
* :mod:`trainer.config`: every setting of a run, documented and checked
* :mod:`trainer.train`: the training loop, checkpoints, held-out loss
* :mod:`trainer.export`: the trained model in Hugging Face format
* :mod:`trainer.reward`: reward models, with :mod:`trainer.reward_data` (labelled solutions),
  :mod:`trainer.reward_model` (the scalar head and its losses), :mod:`trainer.reward_scores`

Importing this package imports no torch, so that a stage that only writes shards starts quickly.
"""

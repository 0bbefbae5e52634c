"""Every stage and maker that a recipe may name. To add one: write its file, add its line, document
it."""

from pipeline.catalog import Catalog

CATALOG = Catalog(
    reference="stages.catalog:CATALOG",
    ingest="stages.ingest.stage:IngestFiles",
    stages={
        "kind": "stages.kind:Kind",
        "language": "stages.language:Language",
        "heuristics": "stages.heuristics.stage:Heuristics",
        "datatrove": "stages.datatrove:DatatroveFilter",
        "exact_dedupe": "stages.dedupe.exact:ExactDedupe",
        "near_dedupe": "stages.dedupe.near:NearDedupe",
        "boilerplate_lines": "stages.dedupe.lines:BoilerplateLines",
        "exact_substrings": "stages.dedupe.substrings:ExactSubstrings",
        "quality": "stages.quality.stage:Quality",
        "domain": "stages.domain:Domain",
        "decontaminate": "stages.decontaminate.stage:Decontaminate",
        "tokenize": "stages.tokenize:Tokenize",
        "balance": "stages.balance.stage:Balance",
        "shard": "stages.shard:Shard",
        "train": "stages.train:Train",
    },
    makers={
        "math": "stages.synthesize.math:MathSynthesis",
        "code": "stages.synthesize.code:CodeSynthesis",
    },
)

"""The Sankey diagram's own layout: everything inside, nothing on top of what is kept."""

from hypothesis import given
from hypothesis import strategies as st

from manifests.effects import Amount
from manifests.report.flow import Flow, FlowStep, Loss
from tamis.report_page.sankey import UNITS, sankey

DOCUMENTS = UNITS[0]
FILLED = 0.72


def amount(documents: int) -> Amount:
    return Amount(documents, documents, None)


def flow_of(sources: list[int], dropped: list[int], split: int) -> Flow:
    """Stages that drop so many documents each, and never all; the rest is in two groups."""
    left = sum(sources)
    steps = []
    for number, wanted in enumerate(dropped):
        less = min(wanted, left - 2)
        losses = [Loss("reason", amount(less))] if less else []
        steps.append(FlowStep(f"stage_{number}", amount(left), amount(left - less), losses))
        left -= less
    part = 1 + split % (left - 1)
    kept = {"a": amount(part), "b": amount(left - part)}
    return Flow({f"s{n}": amount(size) for n, size in enumerate(sources)}, steps, "domain", kept)


flows = st.builds(
    flow_of,
    st.lists(st.integers(2, 10**6), min_size=1, max_size=20),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=9),
    st.integers(0, 10**6),
)


@given(flows)
def test_nodes_stay_inside_and_what_is_dropped_below_what_is_kept(flow: Flow) -> None:
    came = sum(amount.documents for amount in flow.sources.values())
    dropping = [step for step in flow.steps if step.losses]
    if not dropping:
        return
    (trace,) = sankey(flow, DOCUMENTS)["data"]
    nodes, links = trace["node"], trace["link"]
    entering = [0] * len(nodes["label"])
    leaving = [0] * len(nodes["label"])
    for source, target, value in zip(links["source"], links["target"], links["value"], strict=True):
        leaving[source] += value
        entering[target] += value
    heights = [FILLED * max(pair) / came for pair in zip(entering, leaving, strict=True)]
    tops = [y - height / 2 for y, height in zip(nodes["y"], heights, strict=True)]
    for top, height in zip(tops, heights, strict=True):
        assert top > -0.002
        assert top + height < 1.002
    lost = [place for place, name in enumerate(nodes["label"]) if name.startswith("−")]
    assert [entering[place] for place in lost] == [
        step.came.documents - step.kept.documents for step in dropping
    ]
    for place, step in zip(lost, dropping, strict=True):
        assert tops[place] > FILLED * step.kept.documents / came
    assert sum(entering) == sum(leaving)
    kept = sum(amount.documents for amount in flow.kept.values())
    ends = [e for e, o in zip(entering, leaving, strict=True) if not o]
    assert sum(ends) == kept + sum(entering[place] for place in lost)


@given(flows)
def test_the_scale_leaves_room_for_every_gap(flow: Flow) -> None:
    """plotly.js makes nodes as tall as the fullest column, gaps included, leaves room for."""
    if not any(step.losses for step in flow.steps):
        return
    drawn = sankey(flow, DOCUMENTS)
    (trace,) = drawn["data"]
    margin = drawn["layout"]["margin"]
    room = drawn["layout"]["height"] - margin["t"] - margin["b"]
    came = sum(amount.documents for amount in flow.sources.values())
    x, pad = trace["node"]["x"], trace["node"]["pad"]
    first = sum(1 for place in x if place < 0.01)
    kept = sum(amount.documents for amount in flow.kept.values())
    columns = [(first, came), (2, came), (len(flow.kept), kept)]
    scale = min((room - pad * (number - 1)) / size for number, size in columns)
    assert abs(scale * came / room - FILLED) < 0.01

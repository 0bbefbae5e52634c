"""Documents that share a template and differ in content: hard negatives of near deduplication.

Every generator returns documents of one kind, as long as such documents are; whoever loses one of
them loses content. Numbers are drawn uniformly from what is plausible, so that now and then two
documents share some of them by chance, as real ones do.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_NUMBER = re.compile(r"\d+")

STATIONS = (
    "Ardmore", "Baltasound", "Carnsore", "Drumalbin", "Eskdale", "Fairbourne", "Glenanne",
    "Harburg", "Islay", "Jersey", "Keswick", "Lerwick", "Malin", "Northolt", "Orlock",
    "Portland", "Quilty", "Ronaldsway", "Scilly", "Tiree",
)  # fmt: skip
FIRST = (
    "Ada", "Boris", "Chidi", "Dana", "Emeka", "Farah", "Goran", "Hana", "Ivan", "Jonas",
    "Keiko", "Lena", "Marek", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Samir", "Tereza",
    "Ulla", "Viktor", "Wanda", "Ximena", "Yusuf", "Zora",
)  # fmt: skip
LAST = (
    "Abbott", "Baptiste", "Castellano", "Dubois", "Eriksen", "Fischer", "Grabowski", "Haddad",
    "Ibarra", "Jansen", "Kowalski", "Lindqvist", "Moreau", "Nakamura", "Okafor", "Petrov",
    "Quinn", "Rossi", "Silva", "Tanaka", "Ueda", "Varga", "Weber", "Yilmaz",
)  # fmt: skip
GOODS = (
    "desk lamp", "office chair", "toner cartridge", "network cable", "whiteboard",
    "label printer", "filing cabinet", "conference phone", "paper shredder", "monitor arm",
    "docking station", "keyboard", "projector screen", "wall clock", "coffee machine",
    "door mat", "extension lead", "storage box", "notice board", "paper tray",
)  # fmt: skip

WEATHER = (
    "Weather report for {station}, issued at {} hours on day {} of the year. At noon the"
    " temperature was {} degrees, in the evening {} degrees. Wind from the west at {} knots with"
    " gusts of {} knots. Rain in the last day: {} mm. Sunrise at 6:{} and sunset at 19:{}."
    " Pressure {} hPa, humidity {} percent, cloud base at {} feet. Tomorrow between {} and {}"
    " degrees, wind at {} knots, rain of {} mm, visibility {} km and a tide of {} cm. The next"
    " report follows in six hours. Warnings are published separately."
)
INVOICE_HEAD = (
    "INVOICE number {}\nDate: 2024-{:02}-{:02}\nCustomer: {first} {last}, {} Station Road,"
    " Customer number {}\n\nPosition, article, quantity, price, amount\n"
)
INVOICE_FOOT = (
    "Subtotal {}.{:02} EUR\nValue added tax 20 percent {}.{:02} EUR\nTotal {}.{:02} EUR\n\n"
    "Please transfer the total within 14 days to the account given below and state the number of"
    " this invoice. Goods remain our property until they are paid in full. Returns are accepted"
    " within 30 days in the original packing. Thank you for your order."
)
PROBLEMS = (
    "{name} bakes {} trays of rolls every morning, and each tray holds {} rolls. The bakery sells"
    " {} rolls before lunch and gives {} to a shelter in the evening. How many rolls are left at"
    " the end of the day?",
    "A train leaves the station at a speed of {} kilometres an hour. Another train leaves the same"
    " station {} hours later on the same track at {} kilometres an hour. How many hours after the"
    " first train left does the second one catch up with it?",
    "{name} saves {} dollars each week from a part-time job and {} dollars from babysitting. After"
    " {} weeks {name} buys a bicycle for {} dollars. How much money does {name} have left?",
    "A farmer has {} hens. Each hen lays {} eggs a week. The eggs are packed into cartons of {} and"
    " every carton is sold for {} dollars at the market. How much money does the farmer earn in a"
    " month of four weeks?",
    "There are {} students in a school. {} percent of them take the bus, {} walk, and the rest are"
    " driven by their parents. How many students are driven to school by their parents?",
    "A rectangular garden is {} metres long and {} metres wide. {name} wants to put a fence around"
    " it and leave a gate of {} metres open. The fence costs {} dollars a metre. What does the"
    " fence cost altogether?",
    "{name} reads {} pages of a book on the first day and {} pages more on each day that follows."
    " After {} days the book is finished. How many pages does the book have?",
    "A shop buys shirts at {} dollars each and sells them at {} dollars each. In one month it sold"
    " {} shirts, and the rent of the shop was {} dollars. What profit did the shop make in that"
    " month?",
    "A tank is filled by two pipes. The first pipe alone needs {} hours, the second pipe alone"
    " needs {} hours, and a leak empties the full tank in {} hours. How long does it take until"
    " the tank is full when both pipes are open?",
    "The sum of two numbers is {} and one of them is {} larger than {} times the other. What are"
    " the two numbers?",
)


def weather(count: int, seed: int = 1) -> list[str]:
    """Weather reports: about 100 words, 19 numbers and a name in one frame of sentences."""
    rng = random.Random(seed)
    ranges = [
        (0, 23), (1, 365), (-10, 38), (-12, 30), (2, 40), (10, 70), (0, 60), (10, 59), (10, 59),
        (960, 1040), (20, 100), (300, 9000), (-12, 20), (5, 38), (2, 40), (0, 60), (1, 40),
        (20, 700),
    ]  # fmt: skip
    return [
        WEATHER.format(*(rng.randint(*ends) for ends in ranges), station=rng.choice(STATIONS))
        for _ in range(count)
    ]


def invoices(count: int, seed: int = 1) -> list[str]:
    """Invoices of one firm: one to nine positions, and 60 words that are always the same."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        head = INVOICE_HEAD.format(
            240000 + 7 * number,
            rng.randint(1, 12),
            rng.randint(1, 28),
            rng.randint(1, 240),
            rng.randint(1000, 9999),
            first=rng.choice(FIRST),
            last=rng.choice(LAST),
        )
        rows = [
            f"{place}, {rng.choice(GOODS)}, {rng.randint(1, 40)},"
            f" {rng.randint(3, 400)}.{rng.randint(0, 99):02}, {rng.randint(10, 9000)}.00\n"
            for place in range(1, rng.randint(1, 9) + 1)
        ]
        sums = [rng.randint(0, 99) if n % 2 else rng.randint(10, 9000) for n in range(6)]
        found.append(head + "".join(rows) + INVOICE_FOOT.format(*sums))
    return found


def word_problems(count: int, seed: int = 1) -> list[str]:
    """Word problems of 25 to 60 words: ten texts, in which nothing but the numbers changes."""
    rng = random.Random(seed)
    found: set[str] = set()
    while len(found) < count:
        text = PROBLEMS[len(found) % len(PROBLEMS)]
        numbers = [rng.randint(2, 99) for _ in range(text.count("{}"))]
        found.add(text.format(*numbers, name="Maya"))
    return sorted(found)


def renumbered(questions: Sequence[str], count: int, seed: int = 1) -> list[str]:
    """Versions of the first fifty questions that have several numbers, each with numbers of its
    own, about as long as those of the question."""
    rng = random.Random(seed)
    chosen = [question for question in questions if len(_NUMBER.findall(question)) >= 2][:50]

    def another(match: re.Match[str]) -> str:
        digits = len(match[0])
        return str(rng.randint(2, 30 if digits == 1 else 10**digits))

    found: set[str] = set()
    while len(found) < count:
        found.add(_NUMBER.sub(another, chosen[len(found) % len(chosen)]))
    return sorted(found)


TEMPLATES: dict[str, Callable[[int, int], list[str]]] = {
    "weather reports": weather,
    "invoices": invoices,
    "word problems": word_problems,
}

"""Licences, letters and contracts that differ in nothing but the names in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from tests.stages.dedupe.templates import FIRST, LAST

MIT = (
    "MIT License\n\nCopyright (c) {year} {holder}\n\nPermission is hereby granted, free of charge,"
    " to any person obtaining a copy of this software and associated documentation files (the"
    ' "Software"), to deal in the Software without restriction, including without limitation the'
    " rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of"
    " the Software, and to permit persons to whom the Software is furnished to do so, subject to"
    " the following conditions:\n\nThe above copyright notice and this permission notice shall be"
    " included in all copies or substantial portions of the Software.\n\nTHE SOFTWARE IS PROVIDED"
    ' "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE'
    " WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO"
    " EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER"
    " LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN"
    " CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.\n"
)
_BSD_HEAD = (
    "Copyright (c) {year}, {holder}\nAll rights reserved.\n\nRedistribution and use in source and"
    " binary forms, with or without modification, are permitted provided that the following"
    " conditions are met:\n\n1. Redistributions of source code must retain the above copyright"
    " notice, this list of conditions and the following disclaimer.\n\n2. Redistributions in binary"
    " form must reproduce the above copyright notice, this list of conditions and the following"
    " disclaimer in the documentation and/or other materials provided with the distribution.\n\n"
)
_BSD_THIRD = (
    "3. Neither the name of the copyright holder nor the names of its contributors may be used to"
    " endorse or promote products derived from this software without specific prior written"
    " permission.\n\n"
)
_BSD_FOOT = (
    'THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR'
    " IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY"
    " AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER"
    " OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR"
    " CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR"
    " SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY"
    " THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR"
    " OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE"
    " POSSIBILITY OF SUCH DAMAGE.\n"
)
ISC = (
    "ISC License\n\nCopyright (c) {year} {holder}\n\nPermission to use, copy, modify, and/or"
    " distribute this software for any purpose with or without fee is hereby granted, provided that"
    " the above copyright notice and this permission notice appear in all copies.\n\nTHE SOFTWARE"
    ' IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE'
    " INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR"
    " BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES"
    " WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT,"
    " NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR"
    " PERFORMANCE OF THIS SOFTWARE.\n"
)
APACHE_NOTICE = (
    "   Copyright {year} {holder}\n\n   Licensed under the Apache License, Version 2.0 (the"
    ' "License");\n   you may not use this file except in compliance with the License.\n   You may'
    " obtain a copy of the License at\n\n       http://www.apache.org/licenses/LICENSE-2.0\n\n  "
    " Unless required by applicable law or agreed to in writing, software\n   distributed under the"
    ' License is distributed on an "AS IS" BASIS,\n   WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND,'
    " either express or implied.\n   See the License for the specific language governing"
    " permissions and\n   limitations under the License.\n"
)
LICENCES = {  # of Apache the notice that stands in files
    "MIT": MIT,
    "BSD-2": _BSD_HEAD + _BSD_FOOT,
    "BSD-3": _BSD_HEAD + _BSD_THIRD + _BSD_FOOT,
    "ISC": ISC,
    "Apache": APACHE_NOTICE,
}
LETTER = (
    "Dear {greeted},\n\nThank you for your letter of 14 March. We have looked into the matter that"
    " you describe and are sorry for the delay that you met with. The order was handed to our"
    " carrier on the day it was placed, but it was left at the wrong depot over the weekend and"
    " reached you only a week later. The charge for delivery has been refunded to the account that"
    " you paid from, and the sum should appear there within five working days.\n\nShould anything"
    " else be amiss, please write to us again and quote the reference above. Our colleague {clerk}"
    " will be glad to help you, {greeted}, and to answer any question about the goods. We hope to"
    " serve you again before long.\n\nYours sincerely,\nThe customer service of the house\n"
)
CONTRACT = (
    'This agreement is made on 1 April 2024 between {supplier} (the "supplier") and {customer} (the'
    ' "customer").\n\n1. The supplier will deliver the goods listed in the annex, and the customer'
    " will take and pay for them.\n2. The price is that of the list in force on the day of the"
    " order. It is due within thirty days of the invoice.\n3. The goods remain the property of the"
    " supplier until they have been paid for in full.\n4. The customer examines the goods on"
    " delivery and gives notice of defects within ten days. The supplier may repair or replace what"
    " is defective.\n5. Neither party answers for what is beyond its control, such as strikes,"
    " floods or orders of an authority.\n6. The agreement runs for a year and is renewed by another"
    " unless one party gives notice three months before its end.\n7. Changes must be made in"
    " writing. The courts at the seat of the supplier decide disputes.\n\nSigned for {supplier} and"
    " for {customer} by their directors.\n"
)
TRADES = (
    "Software", "Systems", "Analytics", "Robotics", "Networks", "Instruments", "Logistics",
    "Textiles", "Publishing", "Biotech", "Optics", "Foods", "Energy", "Marine", "Design", "Media",
)  # fmt: skip
FORMS = ("Inc.", "Ltd", "GmbH", "LLC", "Corporation", "S.A.", "Pty Ltd", "and Sons", "AB", "Group")
PLACES = (
    "Aarhus", "Bologna", "Cork", "Dresden", "Exeter", "Fresno", "Ghent", "Haifa", "Izmir", "Jena",
    "Kyoto", "Leeds", "Malaga", "Nantes", "Oregon", "Porto", "Quebec", "Riga", "Seoul", "Tartu",
    "Utrecht", "Vienna", "Warsaw", "York", "Zagreb",
)  # fmt: skip


def person(rng: random.Random) -> str:
    """A name of two or three words, some with an initial."""
    middle = rng.choice((rng.choice(FIRST), f"{rng.choice(FIRST)[0]}.", ""))
    return f"{rng.choice(FIRST)} {middle} {rng.choice(LAST)}".replace("  ", " ")


def company(rng: random.Random) -> str:
    """A firm, a university or a foundation."""
    last, place = rng.choice(LAST), rng.choice(PLACES)
    return rng.choice(
        (
            f"{last} {rng.choice(TRADES)} {rng.choice(FORMS)}",
            f"{last} & {rng.choice(LAST)} {rng.choice(FORMS)}",
            f"{place} {rng.choice(TRADES)} {rng.choice(FORMS)}",
            f"The {rng.choice(LAST)} Foundation of {place}",
            f"The Regents of the {last} University of {place}",
        )
    )


def addressed(rng: random.Random) -> str:
    """A person with an e-mail address."""
    first, last, place = rng.choice(FIRST), rng.choice(LAST), rng.choice(PLACES)
    return f"{first} {last} <{first.lower()}.{last.lower()}@{place.lower()}.org>"


HOLDERS: dict[str, Callable[[random.Random], str]] = {
    "persons": person,
    "firms": company,
    "addresses": addressed,
}


def licences(licence: str, holders: str, count: int, seed: int = 1) -> list[str]:
    """A licence of one year with so many different holders."""
    rng = random.Random(seed)
    text, holder = LICENCES[licence], HOLDERS[holders]
    return _distinct(lambda: text.format(year=2024, holder=holder(rng)), count)


def letters(count: int, seed: int = 1) -> list[str]:
    """Letters (150 words) of one wording to other customers, signed by other clerks."""
    rng = random.Random(seed)
    titles = ("Mr", "Mrs", "Ms", "Dr")
    return _distinct(
        lambda: LETTER.format(
            greeted=f"{rng.choice(titles)} {rng.choice(FIRST)} {rng.choice(LAST)}",
            clerk=person(rng),
        ),
        count,
    )


def contracts(count: int, seed: int = 1) -> list[str]:
    """Contracts (200 words) of one wording between other parties."""
    rng = random.Random(seed)
    return _distinct(lambda: CONTRACT.format(supplier=company(rng), customer=company(rng)), count)


def _distinct(make: Callable[[], str], count: int) -> list[str]:
    found: set[str] = set()
    while len(found) < count:
        found.add(make())
    return sorted(found)


NAMED: dict[str, Callable[[int], list[str]]] = {
    **{
        f"{licence}, {holders}": partial(licences, licence, holders)
        for licence in LICENCES
        for holders in HOLDERS
    },
    "letters": letters,
    "contracts": contracts,
}
"""So many documents of each kind."""

#!/usr/bin/env python3
"""Write the demo's texts: little chronicles of metal workshops, made by a seeded grammar.

Every story introduces a cast (a master, an apprentice, a customer), a piece of work, a metal,
a bench full of tools, a number of dents and a price, and refers back to them until its end. A
model that only sees the previous token cannot follow any of this: names are made of syllables
and must be copied, pronouns agree with the names, lists come back in their order, counts run
down to none, prices add up, and a metal keeps its colour.

    make_text.py [DIR]      writes calibration.txt and evaluation.txt (default: beside this file)

train.py imports `stories` for its training text, which is never written to disk.
"""
import pathlib
import random
import sys

TRAINING_SEED, CALIBRATION_SEED, EVALUATION_SEED = 11, 22, 33
CALIBRATION_CHARS, EVALUATION_CHARS = 46_000, 38_000

NUMBERS = ("none one two three four five six seven eight nine ten eleven twelve thirteen "
           "fourteen fifteen sixteen").split()
TIMES = {1: "once", 2: "twice"}

ONSETS = "T M Or Br Is Gr L Ed V H Al N St F Er D Os K Wil J".split()
VOWELS = "a e i o u ei".split()
CODAS = "r n l d m st rv lk nn ss".split()
ENDINGS = {"she": ["a", "e", "ine", "ia", "eth", "ola"],
           "he": ["o", "en", "ick", "us", "am", "ulf"]}
FORMS = {"she": ("she", "her", "her", "woman"), "he": ("he", "him", "his", "man")}

PLACES_A = "Ford Ash Alder Mill Stone Crow Salt Fern Iron Long Reed Thorn".split()
PLACES_B = "Hollow Bridge Lane Hill Gate Row Field Water End Cross".split()

METALS = {  # metal: (colour, what rings when it is struck)
    "copper": ("red", "low and warm"), "brass": ("yellow", "bright and quick"),
    "silver": ("white", "thin and clear"), "tin": ("grey", "short and dull"),
    "bronze": ("brown", "deep and slow"), "steel": ("blue", "hard and high"),
}
WORKS = {  # piece of work: (the part that suffers, what it is for)
    "bowl": ("rim", "bread"), "kettle": ("spout", "tea"), "lantern": ("lid", "oil"),
    "bell": ("lip", "the school"), "tray": ("edge", "cups"), "helmet": ("brow", "the parade"),
    "pan": ("handle", "fish"), "shield": ("boss", "the gate"), "jug": ("neck", "milk"),
    "basin": ("foot", "water"), "plate": ("border", "apples"), "horn": ("mouth", "the watch"),
}
TOOLS = ["hammer", "mallet", "stake", "file", "punch", "rasp", "pair of shears", "compass",
         "leather bag", "brush", "pair of tongs", "ruler", "candle", "anvil"]
WEATHERS = [("rain", "The rain ran down the window"), ("snow", "The snow lay on the sill"),
            ("wind", "The wind pulled at the door"), ("fog", "The fog stood in the yard"),
            ("sun", "The sun fell on the bench"), ("frost", "The frost drew ferns on the glass")]
ANIMALS = ["cat", "dog", "crow", "goat", "hen", "mouse"]
ROADS = ["a cart", "a mule", "a barrow", "the ferry", "foot", "an old horse"]
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday".split()
MAXIMS = [
    "Strike lightly and strike often", "The high spot tells you where to strike",
    "A flat sheet hides no tall hill", "Move the hill, do not cut it",
    "What you press down here must come up there", "Small blows keep the shape",
    "Listen to the metal before you lift the hammer", "The last blow is the lightest",
    "Look along the sheet and not down on it", "One tall bump spoils the whole row",
]
FAULTS = ["dent", "bump", "crease", "scratch", "ripple"]


def article(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def plural(word, count):
    """The noun with its count in words: 'one dent', 'four dents'."""
    if word.startswith("pair of"):
        return NUMBERS[count] + " " + ("pair" if count == 1 else "pairs") + word[4:]
    end = "es" if word.endswith(("s", "sh", "ch")) else "s"
    return f"{NUMBERS[count]} {word}{'' if count == 1 else end}"


def series(words, joint="and"):
    """'a, b and c'."""
    if len(words) == 1:
        return words[0]
    return ", ".join(words[:-1]) + f" {joint} " + words[-1]


def cap(text):
    return text[0].upper() + text[1:]


class Person:
    """A name made of syllables, and the pronouns that agree with it."""

    def __init__(self, rng, taken):
        while True:
            self.sex = rng.choice(["she", "he"])
            self.name = (rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
                         + rng.choice(ENDINGS[self.sex]))
            if all(self.name[:3] != other.name[:3] for other in taken):
                break
        self.sub, self.obj, self.poss, self.kind = FORMS[self.sex]


class Story:
    """One chronicle: what was drawn at its start holds until its end."""

    def __init__(self, rng):
        self.rng = rng
        self.master = Person(rng, [])
        self.pupil = Person(rng, [self.master])
        self.guest = Person(rng, [self.master, self.pupil])
        self.place = rng.choice(PLACES_A) + " " + rng.choice(PLACES_B)
        self.metal = rng.choice(list(METALS))
        self.colour, self.ring = METALS[self.metal]
        self.work = rng.choice(list(WORKS))
        self.part, self.use = WORKS[self.work]
        self.fault = rng.choice(FAULTS)
        self.faults = rng.randint(2, 9)
        self.tools = rng.sample(TOOLS, rng.randint(3, 5))
        self.price = rng.randint(4, 12)
        self.weather, self.weather_line = rng.choice(WEATHERS)
        self.animal = rng.choice(ANIMALS)
        self.road = rng.choice(ROADS)
        self.day = rng.randrange(len(DAYS) - 2)
        self.maxim = rng.choice(MAXIMS)
        self.gauge = rng.randint(10, 29)

    def pick(self, *variants):
        return self.rng.choice(variants)

    def opening(self):
        m, p = self.master, self.pupil
        return self.pick(
            f"In {self.place} there was a workshop, and in the workshop worked {m.name} with "
            f"{m.poss} apprentice {p.name}.",
            f"{m.name} kept the smithy at {self.place}. {cap(m.poss)} apprentice was a young "
            f"{p.kind} called {p.name}.",
            f"Everyone in {self.place} knew {m.name}, and everyone knew {p.name}, who learned "
            f"the trade from {m.obj}.",
        ) + " " + self.pick(
            f"{m.name} worked in {self.metal}, and {p.name} swept the {self.colour} dust from "
            "the floor.",
            f"They worked in {self.metal}, so the dust on the floor was {self.colour}.",
            f"The sheets on the wall were {self.metal}, {self.colour} in the light.",
        ) + " " + self.pick(f"{self.weather_line}.",
                            f"{self.weather_line}, and the {self.animal} slept by the fire.")

    def arrival(self):
        g, m = self.guest, self.master
        first = self.pick(
            f"On {DAYS[self.day]} {g.name} came to {self.place} on {self.road}, and brought "
            f"{article(self.work)} of {self.metal}.",
            f"On {DAYS[self.day]} the door opened and {g.name} came in from the {self.weather}, "
            f"with {article(self.work)} of {self.metal} under {g.poss} arm.")
        count = plural(self.fault, self.faults)
        return first + " " + self.pick(
            f'"The {self.work} fell," said {g.name}. "Now it has {count} along the {self.part}, '
            f'and I need it for {self.use}."',
            f'"This {self.work} is for {self.use}," said {g.name}, "but it has {count} along '
            f'the {self.part}."',
        ) + " " + self.pick(
            f"{m.name} turned the {self.work} in {m.poss} hands and counted {count}.",
            f'"I count {count} too," said {m.name}.')

    def bench(self):
        p = self.pupil
        tools = [article(t) for t in self.tools]
        again = ["the " + t for t in self.tools]
        return self.pick(
            f"On the bench lay {series(tools)}.", f"{p.name} laid out {series(tools)}.",
        ) + " " + self.pick(
            f"{self.master.name} looked at them in turn: {series(again)}.",
            f"{p.name} wiped them one by one, first {', then '.join(again)}.",
            f"{p.name} named them aloud, {series(again)}, and forgot none.")

    def lesson(self):
        m, p = self.master, self.pupil
        return self.pick(
            f'"{self.maxim}," said {m.name}. {p.name} said it after {m.obj}: "{self.maxim}."',
            f'"What did I teach you, {p.name}?" asked {m.name}. "{self.maxim}," said '
            f'{p.name}.',
            f'{p.name} remembered what {m.name} liked to say: "{self.maxim}."')

    def planish(self):
        """The faults go down one blow, or two, at a time until none is left."""
        who = self.pick(self.master, self.pupil)
        tool = self.tools[0]
        left, lines = self.faults, []
        lines.append(self.pick(
            f"{who.name} took the {tool} and began to planish the {self.work}.",
            f"Then {who.name} lifted the {tool} and bent over the {self.part} of the "
            f"{self.work}."))
        while left > 0:
            gone = min(left, self.rng.choice([1, 1, 2, 3]))
            left -= gone
            rest = "none was left" if left == 0 else (
                f"{NUMBERS[left]} {'was' if left == 1 else 'were'} left")
            word = self.fault if gone == 1 else plural(self.fault, 2)[4:]
            lines.append(self.pick(
                f"{cap(NUMBERS[gone])} {word} went down, and {rest}.",
                f"{cap(who.sub)} flattened {NUMBERS[gone]}, and {rest}."))
        return " ".join(lines)

    def blows(self):
        p = self.pupil
        n = self.rng.randint(3, 9)
        count = ", ".join(NUMBERS[1:n + 1])
        return self.pick(
            f'{p.name} struck the {self.part} {NUMBERS[n]} times: {count}. ',
            f'"Give it {plural("blow", n)}," said {self.master.name}, and {p.name} counted: '
            f'"{cap(count)}." ',
        ) + self.pick(f"The {self.metal} rang {self.ring}.",
                      f"It rang {self.ring}, as {self.metal} does.")

    def gauge_line(self):
        p, m = self.pupil, self.master
        a = self.gauge
        b = a + self.rng.randint(1, 9)
        return self.pick(
            f"{p.name} measured the sheet: {a} at the {self.part} and {b} in the middle. "
            f'"It was {a} and {b} before," said {m.name}, "and so it shall stay."',
            f'"Write it in the book," said {m.name}. {p.name} wrote: {self.work}, {self.metal}, '
            f"{a} at the {self.part}, {b} in the middle.")

    def animal_scene(self):
        p = self.pupil
        thief = self.pick(*self.tools[1:])
        return self.pick(
            f"The {self.animal} knocked the {thief} from the bench. {p.name} picked up the "
            f"{thief} and put the {self.animal} outside, into the {self.weather}.",
            f"Where was the {thief}? {p.name} looked under the bench, and there lay the "
            f"{self.animal} on the {thief}.")

    def question(self):
        g, m = self.guest, self.master
        if self.pick(0, 1):
            when = DAYS[self.day + 1]
            return (f'On {when} {g.name} asked, "Is my {self.work} ready, {m.name}?" '
                    f'"Not before {DAYS[self.day + 2]}," said {m.name}.')
        return (f'"Who will mend the {self.part}?" asked {g.name}. "{self.pupil.name} will," '
                f'said {m.name}, "with the {self.tools[0]} and a light hand."')

    def payment(self):
        g, m = self.guest, self.master
        first = self.rng.randint(1, self.price - 1)
        rest = self.price - first
        return self.pick(
            f"The price was {plural('coin', self.price)}. {g.name} laid down {NUMBERS[first]}, "
            f"and then {NUMBERS[rest]} more.",
            f'"That makes {plural("coin", self.price)}," said {m.name}. {g.name} had only '
            f"{NUMBERS[first]}, so {g.sub} still owed {m.obj} {NUMBERS[rest]}.",
        )

    def closing(self):
        g, m, p = self.guest, self.master, self.pupil
        return self.pick(
            f"So {g.name} took the {self.work} home on {self.road}, and it served for "
            f"{self.use} again.",
            f"{g.name} ran a finger along the {self.part} and found no {self.fault}. The "
            f"{self.colour} {self.metal} was smooth.",
        ) + " " + self.pick(
            f"{p.name} put the tools away: {series(['the ' + t for t in self.tools])}.",
            f'"{self.maxim}," said {m.name} once more, and {p.name} swept the {self.colour} dust.',
            f"In {self.place} they still speak of {m.name} and {p.name}.")

    def text(self):
        title = self.pick(f"# {self.master.name} and the {cap(self.work)}",
                          f"# The {cap(self.metal)} {cap(self.work)} of {self.place}",
                          f"# {self.guest.name} at {self.place}")
        middle = [self.bench, self.lesson, self.blows, self.gauge_line, self.animal_scene,
                  self.question]
        chosen = self.rng.sample(middle, self.rng.randint(2, 4))
        cut = self.rng.randint(0, len(chosen))
        paragraphs = [
            [self.opening, self.arrival],
            chosen[:cut] + [self.planish] + chosen[cut:],
            [self.payment, self.closing],
        ]
        body = "\n".join(" ".join(part() for part in parts) for parts in paragraphs)
        return f"{title}\n{body}\n"


def stories(seed, chars):
    """Stories from one seed until they hold at least `chars` characters (blank lines counted)."""
    rng = random.Random(seed)
    out, size = [], 0
    while size < chars:
        out.append(Story(rng).text())
        size += len(out[-1]) + 1
    return out


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    for name, seed, chars in (("calibration", CALIBRATION_SEED, CALIBRATION_CHARS),
                              ("evaluation", EVALUATION_SEED, EVALUATION_CHARS)):
        text = "\n".join(stories(seed, chars))
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}.txt: {len(text)} characters")


if __name__ == "__main__":
    main()

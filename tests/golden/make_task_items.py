#!/usr/bin/env python3
"""make_task_items.py -- writes tests/golden/tasks/*.jsonl: items of eight tasks in the published
field names, made of templates; TASK.jsonl is scored, TASK_pool.jsonl has the examples."""
import json
import pathlib
import random

FOLDER = pathlib.Path(__file__).parent / "tasks"
WHO = ["the king", "a miller", "the queen", "Old Tom", "the fox", "a sailor", "the smith", "Ana"]
WHAT = ["bread", "a lamp", "the gate", "a letter", "two apples", "the bell", "a café's cup", "snow"]
WHERE = ["in the mill", "by the sea", "at the market", "under the oak", "on the hill"]
DOES = ["finds", "paints", "carries", "breaks", "mends", "sells"]
COLOUR = ["red", "green", "blue", "white", "black", "yellow"]


def pick(rnd):
    return {k: rnd.choice(v) for k, v in
            dict(who=WHO, what=WHAT, where=WHERE, does=DOES, colour=COLOUR).items()}


def arc(rnd, i):
    p, n = pick(rnd), (3, 4, 4, 5)[i % 4]
    names = "ABCDE" if i % 5 else "12345"
    texts = rnd.sample(WHERE, n)
    return {"id": f"own_{i}", "question": f"{p['who'].capitalize()} {p['does']} {p['what']}. Where?",
            "choices": {"text": texts, "label": list(names[:n])},
            "answerKey": names[rnd.randrange(n)]}


def hellaswag(rnd, i):
    p, q = pick(rnd), pick(rnd)
    extra = ("", " [title] ", " [step] ", "  ")[i % 4]
    return {"ind": i, "activity_label": ("Baking", "Sailing far", "Tin work")[i % 3],
            "ctx_a": f"{p['who'].capitalize()} {p['does']} {p['what']}.",
            "ctx_b": ("then THE Man" if i % 3 else "élan of " + q["who"]) + extra,
            "endings": [f"{rnd.choice(DOES)} {rnd.choice(WHAT)}{extra}{rnd.choice(WHERE)}."
                        for _ in range(4)],
            "label": str(rnd.randrange(4))}


def piqa(rnd, i):
    p, q = pick(rnd), pick(rnd)
    return {"goal": f"To make {p['what']} {p['colour']}{'?' if i % 3 else ','}",
            "sol1": f"use {q['colour']} paint {p['where']}.", "sol2": f"ask {q['who']} {q['where']}.",
            "label": rnd.randrange(2)}


def winogrande(rnd, i):
    p = pick(rnd)
    one, two = rnd.sample(WHO, 2)
    start = "_ {does} {what} {where}." if i % 7 == 0 else "{one} met {two} {where}, so _ {does} {what} ."
    return {"sentence": start.format(one=one, two=two, **p), "option1": one, "option2": two,
            "answer": str(rnd.randrange(2) + 1)}


def mmlu(rnd, i):
    p = pick(rnd)
    subject = ("anatomy", "world_religions", "sociology")[i % 3]
    return {"question": f"{' ' if i % 4 == 0 else ''}Which is {p['colour']} {p['where']}?",
            "subject": subject, "choices": rnd.sample(WHAT, 4), "answer": rnd.randrange(4)}


def triviaqa(rnd, i):
    p = pick(rnd)
    answer = rnd.choice(ANSWERS)
    return {"question": f"Who {p['does']} {p['what']} {p['where']}",
            "answer": {"value": answer, "aliases": [answer.upper(), f"“{answer}”", answer][i % 3:]}}


def nq_open(rnd, i):
    p = pick(rnd)
    return {"question": f"who {p['does']} {p['what']} {p['where']}",
            "answer": ["The " + rnd.choice(ANSWERS)] + [rnd.choice(ANSWERS)] * (i % 2)}


ANSWERS = WHO + ["One", "a bell", "the one", "THE KING", "The bell?", "one"]
MAKERS = {"arc_easy": (arc, 64), "arc_challenge": (arc, 64), "hellaswag": (hellaswag, 64),
          "piqa": (piqa, 64), "winogrande": (winogrande, 64), "mmlu": (mmlu, 66),
          "triviaqa": (triviaqa, 60), "nq_open": (nq_open, 60)}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for seed, (name, (make, count)) in enumerate(MAKERS.items()):
        rnd = random.Random(100 + seed)
        for end, n in (("", count), ("_pool", 30)):
            with open(FOLDER / f"{name}{end}.jsonl", "w", encoding="utf-8") as out:
                for i in range(n):
                    out.write(json.dumps(make(rnd, i), ensure_ascii=i % 2 == 0) + "\n")

#!/usr/bin/env python3
"""Writes split_values.json: how Hugging Face's tokenizers cuts texts by the pre-tokenizers of many
models.  Needs tokenizers 0.21.4; the tests need only what it wrote.

Each kind is a pre-tokenizer, with the GGUF name (pre) that must cut alike, and for every text the
sizes of its pieces in bytes, a base-36 digit each ("z": 35 or more).
"""
import json
import random
from pathlib import Path

from tokenizers import Tokenizer, models

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
GPT2 = dict(BYTES, use_regex=True)
SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
BLANKS = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
LLAMA3 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + SIGNS + BLANKS
QWEN2 = LLAMA3.replace("{1,3}", "")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
          r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"


def cased(upper, lower, after):
    before = r"[^\r\n\p{L}\p{N}]?"
    return f"{before}[{upper}]*[{lower}]+{after}|{before}[{upper}]+[{lower}]*{after}"


SIGNS_SLASH = SIGNS.replace(r"\n]*", r"\n/]*")
O200K = cased(UPPER, LOWER, SHORT + "?") + r"|\p{N}{1,3}" + SIGNS_SLASH + BLANKS
TEKKEN = cased(UPPER, LOWER, "") + r"|\p{N}" + SIGNS_SLASH + BLANKS
NO_HAN = r"&&[^\p{Han}]"
KIMI = (r"[\p{Han}]+|" + cased(UPPER + NO_HAN, LOWER + NO_HAN, SHORT + "?") + r"|\p{N}{1,3}" +
        SIGNS + BLANKS)
CJK = "[一-龥\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
             r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + BLANKS)
# DeepSeek LLM's first class, by its ranges.
LETTERS = "".join(
    chr(a) if a == b else chr(a) + "-" + chr(b) for a, b in [
        (0x41, 0x5a), (0x61, 0x7a), (0xb5, 0xb5), (0xc0, 0xd6), (0xd8, 0xf6), (0xf8, 0x1ba),
        (0x1bc, 0x1bf), (0x1c4, 0x293), (0x295, 0x2af), (0x370, 0x373), (0x376, 0x377),
        (0x37b, 0x37d), (0x37f, 0x37f), (0x386, 0x386), (0x388, 0x38a), (0x38c, 0x38c),
        (0x38e, 0x3a1), (0x3a3, 0x3f5), (0x3f7, 0x481), (0x48a, 0x52f), (0x531, 0x556),
        (0x10a0, 0x10c5), (0x13a0, 0x13f5), (0x13f8, 0x13fd), (0x1c90, 0x1cba), (0x1cbd, 0x1cbf),
        (0x1d00, 0x1d2b), (0x1d6b, 0x1d77), (0x1d79, 0x1d9a), (0x1e00, 0x1f15), (0x1f18, 0x1f1d),
        (0x1f20, 0x1f45), (0x1f48, 0x1f4d), (0x1f50, 0x1f57), (0x1f59, 0x1f59), (0x1f5b, 0x1f5b),
        (0x1f5d, 0x1f5d), (0x1f5f, 0x1f7d), (0x1f80, 0x1fb4), (0x1fb6, 0x1fbc), (0x1fbe, 0x1fbe),
        (0x1fc2, 0x1fc4), (0x1fc6, 0x1fcc), (0x1fd0, 0x1fd3), (0x1fd6, 0x1fdb), (0x1fe0, 0x1fec),
        (0x1ff2, 0x1ff4), (0x1ff6, 0x1ffc), (0x2102, 0x2102), (0x2107, 0x2107), (0x210a, 0x2113),
        (0x2115, 0x2115), (0x2119, 0x211d), (0x2124, 0x2124), (0x2126, 0x2126), (0x2128, 0x2128),
        (0x212a, 0x212d), (0x212f, 0x2134), (0x2139, 0x2139), (0x213c, 0x213f), (0x2145, 0x2149),
        (0x214e, 0x214e), (0x2183, 0x2184), (0x2c00, 0x2c7b), (0x2c7e, 0x2ce4), (0x2ceb, 0x2cee),
        (0x2cf2, 0x2cf3), (0xa640, 0xa66d), (0xa680, 0xa69b), (0xa722, 0xa76f), (0xa771, 0xa787),
        (0xa78b, 0xa78e), (0xab70, 0xabbf), (0xfb00, 0xfb06), (0xfb13, 0xfb17), (0xff21, 0xff3a),
        (0xff41, 0xff5a), (0x10400, 0x1044f), (0x104b0, 0x104d3), (0x104d8, 0x104fb),
        (0x10c80, 0x10cb2), (0x10cc0, 0x10cf2), (0x118a0, 0x118df), (0x1e900, 0x1e943)])
DEEPSEEK = ["[\r\n]", r"\s?[" + LETTERS + "]+",
            r"\s?[!-/:-~" + "\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
            r"\s+$", "[一-龥\u0800-一\uac00-\ud7ff]+"]
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def digits(alone):
    return {"type": "Digits", "individual_digits": alone}


def punctuation(behavior):
    return {"type": "Punctuation", "behavior": behavior}


KINDS = [
    ("gpt-2", GPT2),
    ("smollm", sequence(digits(True), GPT2)),
    ("llama-v3", sequence(split(LLAMA3), BYTES)),
    ("deepseek-r1-qwen", sequence(split(QWEN2), BYTES)),
    ("dbrx", sequence(split("(?:" + LLAMA3 + ")"), BYTES)),  # not one of the usual strings
    ("gpt-4o", sequence(split(O200K), BYTES)),
    ("tekken", sequence(split(TEKKEN), BYTES)),
    ("deepseek-llm", sequence(*[split(p) for p in DEEPSEEK], split(r"\p{N}+"), BYTES)),
    ("deepseek-v3", sequence(split(r"\p{N}{1,3}"), split(CJK), split(DEEPSEEK3), BYTES)),
    ("kimi-k2", sequence(split(KIMI), BYTES)),
    ("viking", sequence(split(BLOOM), split(r"\p{N}"), BYTES)),
    ("default", sequence(split(r"[\p{P}\$\+<=>\^~\|]+"),
                         split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
                               r"|\s+(?!\S)|\s+"),
                         split(r"\p{N}+"), split("[0-9][0-9][0-9]"), BYTES)),
    (None, sequence(split(CL100K), BYTES)),
    (None, sequence(punctuation("Contiguous"), GPT2, digits(False),
                    split("[0-9][0-9][0-9]"))),
    (None, sequence(split(r"\p{L}+|\p{N}|\s+$|\s|[^\s\p{L}\p{N}]+"), BYTES)),
    (None, sequence(split(r"^\s*\p{L}+|\h\h|\w+\b|\s+\z"), BYTES)),
    (None, sequence(split(r"\d{1,3}(?=(?:\d{3})*\b)"), BYTES)),
    (None, sequence(BYTES, digits(True), punctuation("Isolated"))),
    (None, sequence(digits(False), dict(GPT2, add_prefix_space=True),
                    punctuation("MergedWithNext"))),
] + [(None, sequence(punctuation(b), BYTES))
     for b in ("Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext")
] + [(None, sequence(split(r"\s+|\p{L}", b, i), BYTES))
     for b in ("Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext")
     for i in (False, True)
] + [(None, sequence(split(r"\b|\p{N}", b), BYTES)) for b in ("Contiguous", "MergedWithNext")
] + [(None, sequence(split(" ", b, True, "String"), BYTES)) for b in ("MergedWithPrevious", "Removed")]

SIGNS_OF_ALL = ("abcdefgzAEZSTRMdlv  \n\n\r\t'’0123456789.,!?-_(){}[]/\\@#$%^&*+=<>|~`\"ſK"
                "éàüßñçøÆŒœĳǅªº²³¼½Ⅷ①٣५日本語中文字かなカナ한국。、「」！？\u3000"
                "\u0301\u0308\u20dd\u0903\u094d\u200d\u200b\ufeff\u00a0\u2003\u2028\u0085\u180e\x1c\x0b"
                "😀👍🏽❤️🇩🇪\u2e5d\u0e01\u0e33\u0995\u09be")
FIXED = ["In 1945 the plate weighed 123456 g, in 2023 it was 123456789.",
         "line one  \nline two \n\nline three", "Hei, maailma! 4 = months (or so).",
         "Well... 123456 (it's fine)!", "DON'T we'LL I'd they've 'ſ 'S x'",
         "   a\t\tb  \r\n  c \n \n", "  ", "\n", "a", "HelloWORLDhello ÉCOLEécole Ǆǅǆ"]


def main():
    rnd = random.Random(13)
    texts = FIXED + ["".join(rnd.choice(SIGNS_OF_ALL) for _ in range(rnd.randrange(8, 40)))
                     for _ in range(22)]
    kinds = []
    for pre, steps in KINDS:
        made = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                "normalizer": None, "pre_tokenizer": steps, "post_processor": None,
                "decoder": None, "model": json.loads(Tokenizer(models.BPE()).to_str())["model"]}
        tokenizer = Tokenizer.from_str(json.dumps(made))
        sizes = []
        for text in texts:
            pieces = tokenizer.pre_tokenizer.pre_tokenize_str(text)
            sizes.append("".join("0123456789abcdefghijklmnopqrstuvwxyz"[min(len(p), 35)]
                                 for p, _ in pieces))
        kinds.append({"pre": pre, "pre_tokenizer": steps, "sizes": sizes})
    values = {"about": "tokenizers 0.21.4, by make_split_values.py", "texts": texts, "kinds": kinds}
    path = Path(__file__).with_name("split_values.json")
    path.write_text(json.dumps(values, indent=0) + "\n")


if __name__ == "__main__":
    main()

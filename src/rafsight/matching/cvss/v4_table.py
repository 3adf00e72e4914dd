"""CVSS version 4.0: the numbers of the specification (section 8 and its tables 24 to 30).

This file is a table and holds no behaviour. A macro vector has one digit for each of six equivalence classes (EQ1 to
EQ6); EQ3 and EQ6 depend on each other, so they are read as a pair.
"""

from typing import Final

PAIRS: Final = ("00", "01", "10", "11", "21")
"""The pairs of EQ3 and EQ6 that exist, in the order of rows below."""

# Nine scores a row [tenths]: EQ4 = 0, 1, 2 and within each EQ5 = 0, 1, 2. Comment: EQ1, EQ2, EQ3, then EQ6.
# fmt: off
SCORES: Final[tuple[int, ...]] = (
    100,  98,  95, 100,  93,  91,  93,  89,  81,  # 000..0
     99,  95,  92,  96,  87,  81,  90,  80,  68,  # 000..1
     98,  95,  90,  93,  89,  81,  88,  78,  69,  # 001..0
     95,  92,  84,  92,  81,  65,  80,  70,  48,  # 001..1
     92,  82,  72,  79,  69,  50,  69,  55,  27,  # 002..1
     99,  95,  92,  95,  90,  84,  92,  82,  72,  # 010..0
     97,  92,  85,  91,  83,  71,  81,  71,  53,  # 010..1
     95,  92,  85,  92,  80,  70,  84,  71,  50,  # 011..0
     93,  85,  73,  82,  72,  59,  70,  52,  30,  # 011..1
     86,  75,  52,  71,  52,  29,  63,  29,  17,  # 012..1
     98,  94,  91,  94,  86,  77,  87,  74,  63,  # 100..0
     95,  87,  81,  89,  74,  64,  75,  63,  49,  # 100..1
     94,  88,  76,  86,  74,  59,  72,  57,  52,  # 101..0
     89,  77,  67,  76,  58,  50,  57,  52,  25,  # 101..1
     83,  70,  54,  65,  58,  26,  53,  21,  13,  # 102..1
     95,  88,  76,  90,  75,  61,  77,  68,  52,  # 110..0
     90,  76,  70,  77,  62,  53,  66,  59,  30,  # 110..1
     89,  76,  62,  74,  57,  47,  61,  57,  24,  # 111..0
     78,  67,  58,  59,  57,  23,  52,  29,  16,  # 111..1
     71,  59,  30,  58,  26,  15,  23,  13,   6,  # 112..1
     93,  86,  75,  86,  74,  56,  70,  52,  40,  # 200..0
     87,  72,  58,  74,  61,  34,  54,  40,  22,  # 200..1
     85,  74,  62,  72,  55,  46,  53,  34,  19,  # 201..0
     75,  55,  51,  57,  41,  19,  36,  19,   8,  # 201..1
     64,  51,  20,  47,  21,  11,  24,   9,   4,  # 202..1
     88,  73,  60,  73,  59,  41,  54,  45,  20,  # 210..0
     75,  53,  50,  55,  40,  20,  43,  22,  11,  # 210..1
     75,  58,  40,  61,  48,  20,  46,  17,   8,  # 211..0
     55,  45,  21,  51,  18,   9,  18,   7,   2,  # 211..1
     53,  24,  14,  24,  12,   5,  10,   3,   1,  # 212..1
)
# fmt: on

HIGHEST_EQ1: Final = (
    ("AV:N/PR:N/UI:N",),
    ("AV:A/PR:N/UI:N", "AV:N/PR:L/UI:N", "AV:N/PR:N/UI:P"),
    ("AV:P/PR:N/UI:N", "AV:A/PR:L/UI:P"),
)
HIGHEST_EQ2: Final = (("AC:L/AT:N",), ("AC:H/AT:N", "AC:L/AT:P"))
HIGHEST_PAIR: Final = {
    "00": ("VC:H/VI:H/VA:H/CR:H/IR:H/AR:H",),
    "01": ("VC:H/VI:H/VA:L/CR:M/IR:M/AR:H", "VC:H/VI:H/VA:H/CR:M/IR:M/AR:M"),
    "10": ("VC:L/VI:H/VA:H/CR:H/IR:H/AR:H", "VC:H/VI:L/VA:H/CR:H/IR:H/AR:H"),
    "11": (
        "VC:L/VI:H/VA:L/CR:H/IR:M/AR:H",
        "VC:L/VI:H/VA:H/CR:H/IR:M/AR:M",
        "VC:H/VI:L/VA:H/CR:M/IR:H/AR:M",
        "VC:H/VI:L/VA:L/CR:M/IR:H/AR:H",
        "VC:L/VI:L/VA:H/CR:H/IR:H/AR:M",
    ),
    "21": ("VC:L/VI:L/VA:L/CR:H/IR:H/AR:H",),
}
HIGHEST_EQ4: Final = (("SC:H/SI:S/SA:S",), ("SC:H/SI:H/SA:H",), ("SC:L/SI:L/SA:L",))
"""Of each class the vectors that no other vector of the class exceeds in every metric."""

DEPTH_EQ1: Final = (1, 4, 5)
DEPTH_EQ2: Final = (1, 2)
DEPTH_PAIR: Final = {"00": 7, "01": 6, "10": 8, "11": 8, "21": 10}
DEPTH_EQ4: Final = (6, 5, 4)
"""Steps from the highest to the lowest vector of a class."""

NEXT_PAIRS: Final = {"00": ("01", "10"), "01": ("11",), "10": ("11",), "11": ("21",), "21": ()}
"""The classes directly below a pair."""

LEVELS: Final = {
    "AV": "NALP",
    "PR": "NLH",
    "UI": "NPA",
    "AC": "LH",
    "AT": "NP",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "SHLN",
    "SI": "SHLN",
    "SA": "SHLN",
    "CR": "HML",
    "IR": "HML",
    "AR": "HML",
}
"""Values of each metric, worst first; a place is a step."""

MANDATORY: Final = {
    "AV": "NALP",
    "AC": "LH",
    "AT": "NP",
    "PR": "NLH",
    "UI": "NPA",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "HLN",
    "SI": "HLN",
    "SA": "HLN",
}
OPTIONAL: Final = {
    "E": "XAPU",
    "CR": "XHML",
    "IR": "XHML",
    "AR": "XHML",
    "MAV": "XNALP",
    "MAC": "XLH",
    "MAT": "XNP",
    "MPR": "XNLH",
    "MUI": "XNPA",
    "MVC": "XHLN",
    "MVI": "XHLN",
    "MVA": "XHLN",
    "MSC": "XHLN",
    "MSI": "XSHLN",
    "MSA": "XSHLN",
    "S": "XNP",
    "AU": "XNY",
    "R": "XAUI",
    "V": "XDC",
    "RE": "XLMH",
    "U": ("X", "Clear", "Green", "Amber", "Red"),
}

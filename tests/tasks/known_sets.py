"""Rows of the known problem sets, written by hand in each set's own form."""

MATH500 = [
    {
        "problem": "What is $\\frac12+\\frac12$?",
        "solution": "It is $\\boxed{1}$.",
        "answer": "1",
        "subject": "Algebra",
        "level": 1,
        "unique_id": "test/algebra/1.json",
    },
    {
        "problem": "Which interval?",
        "solution": "So $\\boxed{[0,1)}$.",
        "answer": "[0,1)",
        "subject": "Precalculus",
        "level": 5,
        "unique_id": "test/precalculus/2.json",
    },
]
MATH = [
    {
        "problem": "Halve $x$.",
        "level": "Level 3",
        "type": "Algebra",
        "solution": "First $\\boxed{2x}$? No: $\\boxed{\\frac{x}{2}}$, as ${}$ shows.",
    },
    {"problem": "1+1?", "level": "Level 1", "type": "Prealgebra", "solution": "$\\boxed 2$"},
]
GSM8K = [
    {
        "question": "Ann has 3 pens and buys 1,000 more. How many?",
        "answer": "3+1000=<<3+1000=1003>>1003\n#### 1,003",
    },
    {"question": "Bob owes 7. What has he?", "answer": "He has -7.\n#### -7"},
]
HUMANEVAL = [
    {
        "task_id": "Test/0",
        "prompt": 'def double(x):\n    return 2 * x\n\n\ndef quadruple(x):\n    """ Four times x. """\n',
        "entry_point": "quadruple",
        "canonical_solution": "    return double(double(x))\n",
        "test": "METADATA = {}\n\ndef check(candidate):\n    assert candidate(2) == 8\n"
        "    assert candidate(3) == double(6)\n",
    }
]
MBPP = [
    {
        "task_id": 11,
        "text": "Write a function to add two numbers.",
        "code": "def sum(a, b):\r\n  return a + b",
        "test_list": ["assert sum(1, 2) == 3", "assert sum(2, 2) == 4"],
        "test_setup_code": "",
        "challenge_test_list": [],
    },
    {
        "task_id": 12,
        "prompt": "Write a function to find the larger end of pairs.",
        "code": "class Pair:\n    def __init__(self, a, b):\n        self.a, self.b = a, b\n"
        "def larger(pairs):\n    return max(pair.b for pair in pairs)",
        "test_list": [
            "assert larger([Pair(1, 2), Pair(3, 4)]) == 4",
            "assert math.isclose(larger([Pair(1, 5)]), 5)",
        ],
        "test_imports": ["import math"],
    },
]
ROWS = {"math500": MATH500, "math": MATH, "gsm8k": GSM8K, "humaneval": HUMANEVAL, "mbpp": MBPP}
RIGHT = {
    "math500": ["So it is \\boxed{1}.", "The final answer is $[0, 1)$."],
    "math": ["\\boxed{x/2}", "Hence \\boxed{2}."],
    "gsm8k": ["She has 1003.\n#### 1003", "#### -7"],
    "humaneval": ["    return 4 * x\n"],
    "mbpp": ["```python\ndef sum(a, b):\n    return b + a\n```", f"```python\n{MBPP[1]['code']}\n```"],
}
WRONG = {
    "math500": ["\\boxed{2}", "\\boxed{(0,1]}"],
    "math": ["\\boxed{2x}", "\\boxed{3}"],
    "gsm8k": ["#### 1000", "#### 7"],
    "humaneval": ["    return 5 * x\n"],
    "mbpp": [
        "```python\ndef sum(a, b):\n    return a - b\n```",
        "```python\ndef larger(pairs):\n    return 4\n```",
    ],
}

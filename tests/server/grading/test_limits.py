import pytest

from server.grading.limits import LONGEST, bounded


@pytest.mark.parametrize(
    "text",
    [
        "9^{9^{9^9}}",
        "9^9^9^9",
        "9**9**9",
        "10^{100000000}",
        "10^ 100000000",
        "2^{10^{10}}",
        r"2^\frac{100000}{1}",
        "x^{99999}",
        "(10^6)!",
        "(20000!)!",
        "5!!",
        "2000 !",
        r"\binom{10^7}{5\cdot10^6}",
        r"\dbinom{5}{9999}",
        r"{9999 \choose 2}",
        r"{2 \choose 9999}",
        r"\sum_{k=1}^{10^7} \frac{1}{k^2}",
        "(" * 51 + "1" + ")" * 51,
        r"\frac{" * 50,
        ")1(",
        r"\cup".join(f"({i},{i + 1})" for i in range(200)),
        "1" * (LONGEST + 1),
    ],
)
def test_what_might_never_end_is_refused(text: str):
    assert not bounded(text)


@pytest.mark.parametrize(
    "text",
    [
        "2^{10}",
        "2^{3^4}",
        "2^{1000}",
        "x^{-1}",
        "e^{-x^2}",
        "2^{n+1}",
        r"2^{\sqrt{2}}",
        r"2^\frac{1}{2}",
        r"e^{i\pi}",
        "100!",
        "n!",
        "(n+1)!",
        r"\binom{10}{3}",
        r"{10 \choose 3}",
        "(0, 1]",
        "x^",
        "!",
        "(" * 50 + "1" + ")" * 50,
        r"\sum_{k=1}^{\infty} \frac{1}{k^2}",
        "",
    ],
)
def test_what_people_write_is_not(text: str):
    assert bounded(text)

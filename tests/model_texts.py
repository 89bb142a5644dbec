"""The models that tests of the model language share."""

import json
from pathlib import Path

ECSI = """
    # measurement
    Image        =~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5
    Expectation  =~ CUEX1 + CUEX2 + CUEX3
    Quality      =~ PERQ1 + PERQ2 + PERQ3 + PERQ4 + PERQ5 + PERQ6 + PERQ7
    Value        =~ PERV1 + PERV2
    Satisfaction =~ CUSA1 + CUSA2 + CUSA3
    Complaints   =~ CUSCO
    Loyalty      =~ CUSL1 + CUSL2 + CUSL3
    # structure
    Expectation  ~ Image
    Quality      ~ Expectation
    Value        ~ Expectation + Quality
    Satisfaction ~ Image + Expectation + Quality + Value
    Complaints   ~ Satisfaction
    Loyalty      ~ Image + Satisfaction + Complaints
"""
EVERYTHING = """
group: 1
f1 + f2 =~ c(1, NA)*x1 + c("a", b)*x2 + a1*start(1)*x3 + lower(0)*upper(Inf)*x4 + x5 + lab*x5
y1 + y2 ~ 0.5?x + f1:f2 + f2:f1 + 1
x ~~ 0*z ; y1 | t1 + a*t2
y1 ~*~ y1    ! scaling factor
f3 =~ 0
f4 <~ sqrt(4)*x1 + -1/2*x2 + 'my label'*`item 3`
tot := (a1 + b)**2 / sqrt(a); a1 == b; a1 > 0; b < 2*`my label`
group: "B c"
f1 =~ c(0, qq)*x8 + 4*lab2*x9 + c(1, 2)*c(u, v)*x10 + c(3, "")*c(w, ww)*x11
x1 ~ 1
x2 ~ equal("x1 ~ 1")*1
x3 ~ 0
x2 ~~ equal("x1~~x1")*x2
"""
LAVAAN = json.loads((Path(__file__).parent / "reference/model_language/lavaan.json").read_text())["fits"]

"""Small models of the survey of mobile phones that tests share."""

SMALL = """
Image =~ IMAG1 + IMAG2 + IMAG3
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
Satisfaction ~ Image
Loyalty ~ Image + Satisfaction
"""
CHAIN = """
Image =~ IMAG1 + IMAG2 + IMAG3
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
Satisfaction ~ Image
Loyalty ~ Satisfaction
"""

"""The errors the package promises, in units in the last place of the result's dtype."""

# Value and derivative, then the second derivative, for the default parameters.
PROMISED = {
    "value": 1.0,
    "derivative": 1.0,
    "second_derivative": 2.0,
}

# The half formats are correctly rounded.
CORRECTLY_ROUNDED = 0.5

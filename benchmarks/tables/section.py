def render(measured, plots):
    return "nothing yet"

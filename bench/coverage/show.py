def show(p): pass

"""Networks x full-size pictures -> ranked rows: `pictures` what on, `networks` which, `measure` how, `report` told."""

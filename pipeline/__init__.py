"""How work is run: recipe, documents, store, plan and engines. It knows no stage by name."""

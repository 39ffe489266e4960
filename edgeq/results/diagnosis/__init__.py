"""Where a recipe loses accuracy, as a document, and what follows from it; no torch here."""

"""What the tabs of the page show, computed without the page."""

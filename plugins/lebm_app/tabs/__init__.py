"""The tabs of the page: what is asked, and where the answers go."""

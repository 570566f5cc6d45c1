"""Which archives stay at each destination and why, and the only place from which any is removed."""

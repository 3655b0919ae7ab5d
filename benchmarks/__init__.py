"""Speed beside a peer, in one run and in turns: prints ratios, asserts nothing."""

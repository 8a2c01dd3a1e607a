"""From questions with answers to a policy: what was drawn and judged once, and what is fitted to it."""

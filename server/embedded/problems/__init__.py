"""The embedded problem family: five levels of six kinds of problem, each with an exact checker."""

"""The scoring service: process reward models behind `POST /v1/score`, in a process of their own."""

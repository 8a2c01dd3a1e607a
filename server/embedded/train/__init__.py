"""The scripts that made the embedded weights. Only here is torch imported (extra `train`); nothing serves from here."""

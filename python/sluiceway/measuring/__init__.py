"""What a client costs on this machine, beside encoders and the official clients: the rooms behind `sluiceway bench`."""

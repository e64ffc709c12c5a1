"""Where keys come from: `.env` files, and the old file of encrypted secrets."""

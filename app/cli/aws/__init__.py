"""The commands about AWS accounts: `audit aws` and `audit fix`."""

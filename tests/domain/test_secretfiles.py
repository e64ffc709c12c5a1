"""Which files hold secrets is told by their names alone."""

from __future__ import annotations

import pytest

from app.domain.secretfiles import SECRET_NAMES, is_secret_file

_NAMED_SO = """
.env .env.local .env.production .envrc envrc prod.env prod.env.yaml config/prod.ENV
server.pem server.PEM key.pem.txt tls.key config/master.key apple.p8 store.p12 store.pfx app.jks app.keystore my.kdbx
login.ppk privkey.asc mail.gpg server.der server.crt ca.cer vpn.ovpn id_rsa id_rsa_backup id_rsa.pub id_ed25519.old
id_ecdsa id_dsa id_ecdsa_sk
.netrc _netrc .npmrc .pypirc .pgpass .htpasswd .dockercfg .git-credentials .my.cnf .s3cfg .boto .vault-token
kubeconfig kubeconfig.yaml terraform.tfstate terraform.tfstate.backup prod.tfvars prod.auto.tfvars.json
credentials credentials.json Credentials.yml config/credentials.yml.enc credentials.py gcp-credentials.json
aws_credentials my-credentials.toml app_credential.ini
secret.yaml secrets.py secrets.toml client-secret.json encrypted_secrets.json db_secrets.yml app-secret.properties
my_secrets.env my.secret.txt
service-account.json my_service_account_key.json client_secret_123.apps.googleusercontent.com.json
x-firebase-adminsdk-y.json google-services.json local.settings.json appsettings.Production.json wp-config.php
auth.json token.json tokens.json token.txt keys.json passwords.txt password.txt cookies.txt
vault.yml group_vars/all/vault.yaml .vault_pass gradle.properties
secrets/api.txt secrets/prod.yaml deep/secrets/x.py .ssh/config .aws/config .gnupg/x .kube/config .docker/config.json
.azure/x.json .git/config .streamlit/secrets.toml credentials/of/mine.txt
"""

_NOT_SO = """
environment.py keys.py monkey.py a.pem.py envs/a.py env.py dotenv.py keyboard.json tokenizer.json author.json
tests/test_secrets_page.py tests/test_credentials.py test_passwords.py secret_santa.py password_reset.py tokens.py
auth.py authentication/views.py vault.py pages/secrets_page.py secretfiles.py cookies.py package.json settings.py
docker-compose.yml pyproject.toml README.md index.html identity.py id_card.py certificates.py environment.yml
.github/workflows/ci.yml .gitignore .dockerignore appsettings.py licence.txt data/keys.csv
"""
SECRET = _NAMED_SO.split()
HARMLESS = _NOT_SO.split()


@pytest.mark.parametrize("path", SECRET)
def test_files_that_hold_secrets(path: str) -> None:
    """Keys, settings with passwords and what tools keep of accounts are known, whatever their case and folder."""
    assert is_secret_file(path)
    assert is_secret_file(f"a/b/{path.upper()}")


@pytest.mark.parametrize("path", HARMLESS)
def test_files_that_are_needed(path: str) -> None:
    """Source and tests that speak of keys stay readable: a failure cannot be explained without them."""
    assert not is_secret_file(path)


def test_patterns_are_for_git_too() -> None:
    """Only `*` and `?` have a meaning, small letters are compared, and no pattern goes over folders."""
    assert not [name for name in SECRET_NAMES if set(name) & set("[]{}!\\/") or name != name.casefold()]
    assert len(set(SECRET_NAMES)) == len(SECRET_NAMES)

import os
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


def share_of_cores(fields: dict[str, Any]) -> int:
    return max(1, len(os.sched_getaffinity(0)) // fields["workers"])


class Settings(BaseSettings):
    """Each is an environment variable of the same name."""

    listen: str
    database_url: str
    jwt_secret: SecretStr = Field(min_length=32)
    refresh_secret: SecretStr = Field(min_length=32)
    workers: int = Field(default=2, ge=1)
    database_connections: int = Field(default=8, ge=1)
    hash_workers: int = Field(default_factory=share_of_cores, ge=1)  # of each worker


settings = Settings()

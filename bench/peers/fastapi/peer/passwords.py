"""argon2id on threads, since argon2-cffi releases the GIL; at most so many at once: more would only make each other slower."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from .problems import OVERLOADED

T = TypeVar("T")

WAIT = 3  # seconds

# OWASP's minimum, and jwtd's default.
hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)

# What the password of an unknown user is checked against, so that the reply takes as long as that for a known one.
DUMMY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def matches(stored: str, password: str) -> bool:
    try:
        return hasher.verify(stored, password)
    except VerifyMismatchError:
        return False


class Passwords:
    def __init__(self, workers: int) -> None:
        self.threads = ThreadPoolExecutor(workers, "argon2")
        self.slots = asyncio.Semaphore(workers)

    async def hash(self, password: str) -> str:
        return await self._run(hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        return await self._run(matches, stored or DUMMY, password)

    async def _run(self, function: Callable[..., T], *arguments: str) -> T:
        try:
            async with asyncio.timeout(WAIT):
                await self.slots.acquire()
        except TimeoutError:
            raise OVERLOADED from None
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)
        finally:
            self.slots.release()

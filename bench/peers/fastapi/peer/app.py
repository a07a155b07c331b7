import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

from asyncpg import InterfaceError, PostgresError
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, EmailStr, Field
from starlette.exceptions import HTTPException

from . import problems, store, tokens
from .config import settings
from .passwords import Passwords
from .problems import Problem


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.passwords = Passwords(settings.hash_workers)
    app.state.pool = await store.open_pool(settings.database_url, max(1, settings.database_connections // settings.workers))
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan, openapi_url=None)
app.add_middleware(problems.CommonHeaders)
app.add_exception_handler(Problem, problems.on_problem)
app.add_exception_handler(HTTPException, problems.on_http_exception)
app.add_exception_handler(RequestValidationError, problems.on_validation_error)


@app.exception_handler(PostgresError)
@app.exception_handler(InterfaceError)
@app.exception_handler(OSError)
async def on_database_error(request: Request, error: Exception) -> Response:
    return problems.reply(request, problems.DATABASE_UNAVAILABLE)


@app.exception_handler(Exception)
async def on_other_error(request: Request, error: Exception) -> Response:
    return problems.reply(request, problems.INTERNAL_ERROR)


class Model(BaseModel):
    model_config = ConfigDict(strict=True)


class Registration(Model):
    email: EmailStr
    password: str = Field(min_length=8, max_length=1024)


class Login(Model):
    email: EmailStr
    password: str = Field(min_length=1, max_length=1024)


class Refresh(Model):
    refresh_token: str = Field(min_length=1, max_length=1024)


class NewUser(BaseModel):
    id: uuid.UUID
    email: str
    roles: list[str]
    created_at: datetime


class User(NewUser):
    updated_at: datetime


bearer = HTTPBearer(auto_error=False)


async def access_claims(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> tokens.Claims:
    if credentials is None:
        raise problems.MISSING_TOKEN
    return tokens.verify_access(credentials.credentials)


Claims = Annotated[tokens.Claims, Depends(access_claims)]


@app.post("/auth/register", status_code=201)
async def register(body: Registration, request: Request, response: Response) -> NewUser:
    state = request.app.state
    password_hash = await state.passwords.hash(body.password)
    user = await store.insert_user(state.pool, body.email, password_hash)
    if user is None:
        raise problems.EMAIL_TAKEN
    response.headers["Location"] = "/auth/me"
    return NewUser(**user)


@app.post("/auth/login")
async def login(body: Login, request: Request) -> tokens.TokenReply:
    state = request.app.state
    user = await store.find_credentials(state.pool, body.email)
    if not await state.passwords.verify(user and user["password_hash"], body.password):
        raise problems.INVALID_CREDENTIALS
    session = await store.open_session(state.pool, user, request.client.host, request.headers.get("User-Agent", ""))
    return tokens.issue(session)


@app.post("/auth/refresh")
async def refresh(body: Refresh, request: Request) -> tokens.TokenReply:
    session_id, generation = tokens.verify_refresh(body.refresh_token)
    return tokens.issue(await store.rotate_session(request.app.state.pool, session_id, generation))


@app.get("/auth/me")
async def me(claims: Claims, request: Request) -> User:
    user = await store.find_user(request.app.state.pool, claims.user_id)
    if user is None:
        raise problems.INVALID_TOKEN
    return User(**user)


ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@app.api_route("/auth/verify", methods=ANY_METHOD)
@app.api_route("/auth/verify/{path:path}", methods=ANY_METHOD)
async def verify(claims: Claims) -> Response:
    """For a proxy that asks whose token this is; what it copies into a request must always be there."""
    headers = {
        "X-Auth-Subject": claims.user_id,
        "X-Auth-Session": claims.session_id,
        "X-Auth-Roles": ",".join(claims.roles) or "-",
    }
    return Response(headers=headers)


@app.get("/health/live")
async def live() -> Response:
    return JSONResponse({"status": "alive"})


@app.get("/health/ready")
@app.get("/health")
async def ready(request: Request) -> Response:
    try:
        await request.app.state.pool.execute("SELECT 1")
    except (PostgresError, InterfaceError, OSError):
        return JSONResponse({"status": "unhealthy", "checks": {"database": "failed"}}, 503, problems.RETRY)
    return JSONResponse({"status": "healthy", "checks": {"database": "ok"}})

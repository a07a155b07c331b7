-- Many sessions, each with its own chain of refresh tokens and one request at a time. Replies come in any order: the front of a token is
-- its session's id, which identifies the chain. BENCH_TOKENS names a file with one refresh token a line; it must hold more
-- lines than there are connections.
local free = {}

function init()
  for token in io.lines(os.getenv("BENCH_TOKENS")) do
    free[#free + 1] = token
  end
end

function request()
  local body = '{"refresh_token":"' .. table.remove(free, 1) .. '"}'
  return wrk.format("POST", "/auth/refresh", { ["Content-Type"] = "application/json" }, body)
end

function response(status, headers, body)
  free[#free + 1] = body:match('"refresh_token":"([^"]+)"')
end

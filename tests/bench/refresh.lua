-- Many sessions in turn, each with its own chain of refresh tokens. Replies come in any order: the front of a token is its session's id
-- and tells which chain has moved. BENCH_TOKENS names a file with one refresh token a line.
local tokens, order, next = {}, {}, 0

local function session_of(token)
  return token:sub(5, 25)
end

function init()
  for token in io.lines(os.getenv("BENCH_TOKENS")) do
    order[#order + 1] = session_of(token)
    tokens[session_of(token)] = token
  end
end

function request()
  next = next % #order + 1
  local body = '{"refresh_token":"' .. tokens[order[next]] .. '"}'
  return wrk.format("POST", "/auth/refresh", { ["Content-Type"] = "application/json" }, body)
end

function response(status, headers, body)
  local token = body:match('"refresh_token":"([^"]+)"')
  if status == 200 and token then
    tokens[session_of(token)] = token
  end
end

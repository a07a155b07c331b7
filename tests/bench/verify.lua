-- Each token of the file that BENCH_TOKENS names, one a line, once; the load ends with the file.
local next_token

function init()
  next_token = io.lines(os.getenv("BENCH_TOKENS"))
end

function request()
  local token = next_token and next_token()
  if not token then
    next_token = nil
    wrk.thread:stop()
    return wrk.format("GET", "/health/live")
  end
  return wrk.format("GET", "/auth/verify", { ["Authorization"] = "Bearer " .. token })
end

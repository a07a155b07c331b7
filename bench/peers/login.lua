-- Each request logs the next of BENCH_ACCOUNTS users in: crowd-1@example.org and on, as failpoint seeds them.
local accounts, next_one = tonumber(os.getenv("BENCH_ACCOUNTS")), 0

function request()
  next_one = next_one % accounts + 1
  local body = '{"email":"crowd-' .. next_one .. '@example.org","password":"failpoint walks along the sea wall"}'
  return wrk.format("POST", "/auth/login", { ["Content-Type"] = "application/json" }, body)
end

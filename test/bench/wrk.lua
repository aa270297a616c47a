-- Repeats the requests of a file. Each line has a method, a path, and the name and value of a header, separated by tabs. Prints a line of JSON at the end.
local requests, sent = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local method, path, name, value = line:match("^([^\t]+)\t([^\t]+)\t?([^\t]*)\t?([^\t]*)$")
    local headers = { ["Host"] = wrk.headers["Host"] }
    if name ~= "" then headers[name] = value end
    table.insert(requests, wrk.format(method, path, headers, method == "POST" and "" or nil))
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"seconds":%f,"responses":%d,"bad":%d,"failed":%d,"p50":%f,"p99":%f,"cpu":%f}',
    summary.duration / 1e6,
    summary.requests,
    errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    os.clock()
  ))
end

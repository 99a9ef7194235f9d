// One GET as cheap as k6 can make it: bodies thrown away, no checks, no thresholds.
import http from 'k6/http';

const duration = `${__ENV.SECONDS}s`;
const closed = { executor: 'constant-vus', vus: 64, duration, gracefulStop: '2s' };
const paced = {
  executor: 'constant-arrival-rate',
  rate: Number(__ENV.RATE),
  timeUnit: '1s',
  duration,
  preAllocatedVUs: 64,
  maxVUs: 64,
  gracefulStop: '2s',
};

export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ['p(50)', 'p(99)'],
  scenarios: { load: __ENV.RATE ? paced : closed },
};

export default function () {
  http.get(__ENV.URL);
}

export function handleSummary(data) {
  return { stdout: JSON.stringify(data.metrics) };
}

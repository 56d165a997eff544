import { Link } from 'react-router';

import { moons } from '../moons.js';

export default function Home() {
  return (
    <>
      <h1>Four moons, one telescope</h1>
      <ul className="grid">
        {moons.map((moon) => (
          <li key={moon.name}>
            <Link to={`/moons/${moon.name}`}>
              <strong>{moon.title}</strong>
              <span>{moon.period} days</span>
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

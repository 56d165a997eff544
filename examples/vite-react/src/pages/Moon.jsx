import { Link, useParams } from 'react-router';

import { moons } from '../moons.js';
import NotFound from './NotFound.jsx';

export default function Moon() {
  const { name } = useParams();
  const moon = moons.find((one) => one.name === name);
  if (!moon) return <NotFound />;
  return (
    <>
      <h1>{moon.title}</h1>
      <p className="lead">{moon.note}</p>
      <p>
        {moon.distance},000 km from Jupiter, once around in {moon.period} days.
      </p>
      <Link to="/">All four</Link>
    </>
  );
}

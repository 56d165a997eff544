import { Link } from 'react-router';

export default function NotFound() {
  return (
    <>
      <h1>Nothing in this orbit</h1>
      <Link to="/">Back to the four moons</Link>
    </>
  );
}
